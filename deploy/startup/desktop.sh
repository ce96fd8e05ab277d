#!/bin/sh
# Starts a KasmVNC desktop with ghostaux, for images that have no start script of their own.
set -eu
: "${VNC_PW:?set VNC_PW to the password of this desktop}"

# One directory for all who look for PulseAudio; KasmVNC's password file has the password from here on.
export PULSE_RUNTIME_PATH=/tmp/pulse
install -d -m 700 "$PULSE_RUNTIME_PATH"
mkdir -p "$HOME/.vnc" "$HOME/Uploads" "$HOME/PDF"
printf '%s\n%s\n' "$VNC_PW" "$VNC_PW" | vncpasswd -u kasm_user -w -o >/dev/null
pulseaudio --start --exit-idle-time=-1
pcscd || echo "pcscd does not start: there is no card reader" >&2
env -u VNC_PW vncserver :1 -websocketPort 6901 -select-de xfce \
  -UnixRelay printer:/tmp/printer -UnixRelay smartcard:/tmp/smartcard
exec ghostaux "$@"
