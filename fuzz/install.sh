#!/bin/sh
# install.sh - installs AFL++ when it is missing (Debian).
command -v afl-fuzz >/dev/null && command -v afl-clang-fast >/dev/null && exit 0
cmd="apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=300 afl++ clang"
export DEBIAN_FRONTEND=noninteractive
if [ "$(id -u)" = 0 ]; then
    apt-get -o DPkg::Lock::Timeout=300 update -q && $cmd
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    sudo -n apt-get -o DPkg::Lock::Timeout=300 update -q && sudo -n env \
        DEBIAN_FRONTEND=noninteractive $cmd
else
    echo "fuzzing needs AFL++; as root: apt-get update && $cmd" >&2
    exit 1
fi
