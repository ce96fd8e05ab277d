#!/bin/sh
# Starts ghostaux on this machine with whatever is missing made for it: a private PulseAudio when none answers, and a
# directory for certificate, uploads and printed documents. Further arguments go to ghostaux.
set -eu

state=${XDG_STATE_HOME:-${HOME:-/tmp}/.local/state}/ghostaux
mkdir -p "$state/pulse" "$state/uploads" "$state/pdf"
chmod 700 "$state" "$state/pulse"

pulse=
if ! pactl info >/dev/null 2>&1; then
  echo "No PulseAudio answers here: starting a private one."
  socket=$state/pulse/native
  rm -f "$socket"
  env -u PULSE_SERVER HOME="$state" XDG_RUNTIME_DIR="$state" PULSE_RUNTIME_PATH="$state/pulse" \
    pulseaudio -n --daemonize=no --exit-idle-time=-1 --use-pid-file=no --log-target=stderr --log-level=error \
    -L "module-native-protocol-unix socket=$socket auth-anonymous=1" &
  pulse=$!
  trap 'kill $pulse 2>/dev/null || true' EXIT INT TERM
  export PULSE_SERVER="unix:$socket"
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    pactl info >/dev/null 2>&1 && break
    sleep 0.2
  done
  echo "To hear something: PULSE_SERVER=$PULSE_SERVER paplay FILE.wav"
fi

./bin/ghostaux --cert "$state/self.pem" --upload-dir "$state/uploads" --printer-dir "$state/pdf" "$@"
