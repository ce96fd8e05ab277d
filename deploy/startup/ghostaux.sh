# ghostaux in a KasmVNC start script: source this after the script's own functions. It replaces the functions that start the six
# helper programs: the first starts one ghostaux for all of them, which the script's monitor loop watches under the
# name ghostaux; the others have nothing left to do. The script's ffmpeg is not needed either.
#
# Uses what the script has: VNC_PW, KASM_SVC_*, DLP_PROCESS_FAIL_SECURE, HOME, and the array KASM_PROCS of watched processes.
# GHOSTAUX names the program (default /usr/local/bin/ghostaux).

start_ghostaux() {
  HOME=${HOME:-/home/kasm-user} PULSE_RUNTIME_PATH=${PULSE_RUNTIME_PATH:-/var/run/pulse} \
    "${GHOSTAUX:-/usr/local/bin/ghostaux}" &
  KASM_PROCS['ghostaux']=$!
}

# Called at start and again by the monitor loop, whichever of the six it believes to have died.
ghostaux_once() {
  local pid=${KASM_PROCS['ghostaux']:-}
  if [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null; then
    return 0
  fi
  start_ghostaux
}

start_audio_out_websocket() { ghostaux_once; }
start_audio_out() { ghostaux_once; }
start_audio_in() { ghostaux_once; }
start_upload() { ghostaux_once; }
start_gamepad() { ghostaux_once; }
start_printer() { ghostaux_once; }
start_smartcard() { ghostaux_once; }
