# serve.sh - for scripts that run a server of their own: sourced, needs $tmp, sets pid, port.
#
#   . tests/serve.sh
#   trap 'end_server; rm -rf "$tmp"' EXIT
#   serve build/release/riptidekv-server --port 0 --dir "$tmp/store"
pid='' port=''

serve() { # COMMAND...: starts it and waits for the port it listens on; its log: $tmp/log
    : > "$tmp/log" # or the last one's port would be read
    "$@" > "$tmp/log" 2>&1 &
    pid=$!
    for _ in $(seq 200); do
        port=$(sed -nE 's/^.*ready to accept connections on .*:([0-9]+).*/\1/p' "$tmp/log")
        [ -n "$port" ] && return
        sleep 0.1
    done
    cat "$tmp/log"
    return 1
}
stop_server() { # in an orderly way: its exit code
    kill "$pid" && wait "$pid"
    local code=$?
    pid=
    return $code
}
kill_server() {
    kill -9 "$pid"
    wait "$pid" 2> /dev/null
    pid=
}
end_server() { # for the trap: if one is left
    [ -z "$pid" ] || kill_server
}
