# shellcheck shell=bash
# ghostaux in a KasmVNC start script: source this after the script's own functions, before it calls them. It replaces the functions
# that start the six helper programs: the first starts one ghostaux for all of them, the others have nothing left to do,
# and the script's own ffmpeg is not needed. PulseAudio goes on being started here, as the script's start_audio_out did.
#
# Uses what the script has: VNC_PW (which it does not export), HOME, KASM_SVC_*, START_PULSEAUDIO, DLP_PROCESS_FAIL_SECURE, and the
# array KASM_PROCS of watched processes. The script's monitor loop starts only names again that it knows, so ghostaux is
# watched under the name of the audio relay, which every version of the script starts again.
# GHOSTAUX names the program (default /usr/local/bin/ghostaux). With GHOSTAUX_ELSEWHERE=1 nothing but PulseAudio is
# started: ghostaux then runs in a container of its own beside this one.

start_ghostaux() {
  if [ "${GHOSTAUX_ELSEWHERE:-0}" = 1 ]; then
    return 0
  fi
  VNC_PW=${VNC_PW:-} PULSE_RUNTIME_PATH=${PULSE_RUNTIME_PATH:-/var/run/pulse} "${GHOSTAUX:-/usr/local/bin/ghostaux}" &
  # shellcheck disable=SC2034 # the script's own loop reads it
  KASM_PROCS['kasm_audio_out_websocket']=$!
}

start_pulseaudio() {
  if [ "${START_PULSEAUDIO:-0}" = 1 ]; then
    HOME=/var/run/pulse pulseaudio --start || echo "PulseAudio does not start: ghostaux goes on looking for it"
  fi
}

start_audio_out_websocket() { start_ghostaux; }
start_audio_out() { start_pulseaudio; }
start_audio_in() { :; }
start_upload() { :; }
start_gamepad() { :; }
start_printer() { :; }
start_smartcard() { :; }
