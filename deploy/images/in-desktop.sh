#!/bin/sh
# In a container of the image that deploy/Containerfile.debian makes: `in-desktop.sh VERSION`.
set -eu
# shellcheck source=/dev/null
. /check/ask.sh
user=kasm_user:secret

export HOME=/home/desk
as_user="setpriv --reuid 1000 --regid 1000 --init-groups"
services_ready() { curl -sk -u $user https://127.0.0.1:4900/status | grep -c '"state": "ready"'; }

[ "$(ghostaux version | cut -d ' ' -f 2)" = "$1" ] || fail "the version is $(ghostaux version)"
if $as_user desktop 2>/tmp/refused || ! grep -q VNC_PW /tmp/refused; then
  fail "it does not ask for VNC_PW: $(cat /tmp/refused)"
fi
VNC_PW=secret $as_user desktop &
pid=$!
until_is 200 status https://127.0.0.1:4900/healthz
until_is 5 services_ready # all but the pads, which want the host's uinput
[ "$(status https://127.0.0.1:4900/status)" = 401 ] || fail "the status is open to everybody"
until_is 101 socket -u $user "https://127.0.0.1:4900/audio_input/?sample_rate=48000"
sound() { [ "$(curl -sk -u $user --max-time 5 https://127.0.0.1:4900/audio/stream.ts | head -c 20000 | wc -c)" = 20000 ] && echo sound; }
until_is sound sound
reader() { $as_user opensc-tool --list-readers 2>&1 | grep -c 'Virtual PCD 00 00'; }
until_is 1 reader
pgrep -x xfce4-session >/dev/null || fail "the desktop does not run: $(cat /home/desk/.vnc/xfce.log)"
kill $pid
wait $pid || fail "it ends with $?"
