#!/bin/bash
# install.sh - installs the Debian packages that the tests need, when they are missing.
#
#   tests/install.sh [PACKAGE...]     the packages of `make test` without arguments
#
# Never starts a service. Without the right to install it prints the command and fails.
set -u

packages=("$@")
if [ $# -eq 0 ]; then
    packages=(gcc libc6-dev clang clang-format clang-tidy libcunit1-dev libfiu-dev liblz4-dev
              fiu-utils redis-tools strace)
fi

missing=()
for p in "${packages[@]}"; do
    state=$(dpkg-query -W -f='${db:Status-Status}' "$p" 2>/dev/null)
    [ "$state" = installed ] || missing+=("$p")
done
[ ${#missing[@]} -eq 0 ] && exit 0

install="apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! sudo -n true 2>/dev/null; then
        echo "packages are missing; run as root: $install" >&2
        exit 1
    fi
    as_root=(sudo -n)
fi

# RUNLEVEL=1 keeps Debian's packages from starting a service, should one ever carry any.
apt=(env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
     apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
echo "installing: ${missing[*]}"
"${as_root[@]}" "${apt[@]}" update >/dev/null &&
    "${as_root[@]}" "${apt[@]}" install -y --no-install-recommends "${missing[@]}" && exit 0
echo "could not install; run as root: $install" >&2
exit 1
