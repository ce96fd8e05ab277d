# shellcheck shell=sh
# What the scripts that check.sh runs in a container have in common.
fail() { echo "$*" >&2; exit 1; }

# status METHOD-AND-ARGUMENTS...: the status that curl gets.
status() { curl -sk --http1.1 --max-time 2 -o /dev/null -w '%{http_code}' "$@" || true; }

# socket URL [CURL-ARGUMENTS]: the status of a request for a WebSocket; 101 when it opens.
socket() {
  status -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: Z2hvc3RhdXggaXMgaGVyZQ==' "$@"
}

# until_is WANTED COMMAND...: waits until the command prints that.
until_is() {
  wanted=$1
  shift
  tries=0
  until got=$("$@" || true) && [ "$got" = "$wanted" ]; do
    tries=$((tries + 1))
    [ $tries -lt 60 ] || fail "$*: '$got' instead of '$wanted'"
    sleep 0.5
  done
}

# ghostauxes: how many processes run the program. $as_user runs a command as the desktop's user, who may see what its own run.
ghostauxes() {
  # shellcheck disable=SC2016,SC2154 # the other shell is to look; as_user is set by who sources this
  $as_user sh -c 'for exe in /proc/[0-9]*/exe; do readlink "$exe"; done | grep -c "^/usr/local/bin/ghostaux$"'
}
