#!/bin/sh
# In a container of the image that deploy/Containerfile makes: `in-signal.sh VERSION ONE_PROCESS`.
set -eu
# shellcheck source=/dev/null
. /check/ask.sh
places='jsmpeg/kasm_audio_out-linux upload_server/kasm_upload_server audio_input/kasm_audio_input_server
  gamepad/kasm_gamepad_server printer/kasm_printer_service smartcard/kasm_smartcard_bridge'
script=/dockerstartup/vnc_startup.sh
user=kasm_user:secret
as_user="setpriv --reuid 1000 --regid 1000 --clear-groups" # the stand-in does not know the user by name

echo "links"
[ "$(ghostaux version | cut -d ' ' -f 2)" = "$1" ] || fail "the version is $(ghostaux version)"
for place in $places; do
  [ "$(readlink "/dockerstartup/$place")" = /usr/local/bin/ghostaux ] || fail "$place is no link to ghostaux"
  [ "$($as_user "/dockerstartup/$place.before-ghostaux")" = "the original ${place#*/}" ] || fail "the original of $place is not kept"
done
[ -x $script ] || fail "the start script cannot be executed"
if [ "$2" = 1 ]; then
  added=$(diff $script.before-ghostaux $script | grep '^[<>]') || true
  [ "$added" = "> . /usr/local/share/ghostaux/ghostaux.sh" ] || fail "the start script has changed by $added"
else
  [ ! -e $script.before-ghostaux ] || fail "the start script has been changed"
fi

echo "check"
$as_user ghostaux check >/tmp/check 2>&1 || true # most devices are not here
for service in audioout upload audioin gamepad printer smartcard; do
  grep -q "^$service\$" /tmp/check || fail "check says nothing of $service: $(cat /tmp/check)"
done
grep -q '+ upload directory /home/kasm-user/Uploads' /tmp/check || fail "check does not find the upload directory: $(cat /tmp/check)"

echo "start"
VNC_PW=secret $as_user $script &
pid=$!
if [ "$2" = 1 ]; then
  until_is 200 status https://127.0.0.1:4900/healthz
  [ "$(ghostauxes)" = 1 ] || fail "$(ghostauxes) processes"
  [ "$(curl -sk -u $user https://127.0.0.1:4900/status | grep -c '^ *"name": "\(audioout\|upload\|audioin\|gamepad\|printer\|smartcard\)"')" = 6 ] ||
    fail "not all services are there: $(curl -sk -u $user https://127.0.0.1:4900/status)"
  curl -sk -u $user https://127.0.0.1:4900/ | grep -q '<script' || fail "the console is not in it"
else
  until_is 6 ghostauxes
  [ "$(status https://127.0.0.1:4900/healthz)" = 000 ] || fail "there is a front door"
fi
for port in 4901 4903 4904; do
  until_is 401 socket https://127.0.0.1:$port/
done
until_is 101 socket -u $user https://127.0.0.1:4901/ # who listens may wait for the sound
case $(socket -u $user "https://127.0.0.1:4903/?sample_rate=48000")$(socket -u $user https://127.0.0.1:4904/) in
  401* | *401 | 000* | *000) fail "the microphone's or the pad's port refuses the password" ;;
esac
until_is 403 status -X POST https://127.0.0.1:4902/upload
echo "hello" > /tmp/greeting
[ "$(status -u $user -F dzchunkindex=0 -F dztotalfilesize=6 -F dztotalchunkcount=1 -F dzchunkbyteoffset=0 -F file=@/tmp/greeting \
  https://127.0.0.1:4902/upload)" = 200 ] || fail "the upload is refused"
cmp /tmp/greeting /home/kasm-user/Uploads/greeting
kill $pid
wait $pid || fail "the start script ends with $?"
until_is 0 ghostauxes

echo "undo"
ghostaux install --undo >/dev/null
for place in $places; do
  [ "$($as_user "/dockerstartup/$place")" = "the original ${place#*/}" ] || fail "$place is not the original again"
  [ ! -e "/dockerstartup/$place.before-ghostaux" ] || fail "$place.before-ghostaux is left"
done
