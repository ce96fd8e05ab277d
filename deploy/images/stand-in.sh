#!/bin/sh
# Writes what check.sh cannot fetch. `stand-in.sh kasm TREE` puts the start script's directory of a KasmVNC image into a tree: six programs
# that only say who they are, and a start script of the same layout. `stand-in.sh kasmvnc TREE PACKAGE` makes a
# package with KasmVNC's name, dependencies and commands, whose display is Xvfb's.
set -eu
tree=$2

program() {
  install -d "$(dirname "$1")"
  cat > "$1"
  chmod 755 "$1"
}

kasm() {
  install -d -o 1000 -g 1000 "$tree/home/kasm-user" "$tree/home/kasm-user/.vnc" "$tree/home/kasm-user/PDF"
  for place in jsmpeg/kasm_audio_out-linux upload_server/kasm_upload_server audio_input/kasm_audio_input_server \
    gamepad/kasm_gamepad_server printer/kasm_printer_service smartcard/kasm_smartcard_bridge; do
    printf '#!/bin/sh\necho "the original %s"\n' "${place#*/}" | program "$tree/dockerstartup/$place"
  done
  program "$tree/dockerstartup/vnc_startup.sh" <<'SCRIPT'
#!/bin/bash
set -e
declare -A KASM_PROCS
password=$VNC_PW
unset VNC_PW
VNC_PW=$password
pem=$HOME/.vnc/self.pem

######## FUNCTION DECLARATIONS ##########

cleanup() { kill "${KASM_PROCS[@]}" || true; wait; exit 0; }
trap cleanup TERM
run() { local name=$1; shift; "$@" & KASM_PROCS[$name]=$!; }
start_audio_out_websocket() {
  [[ ${KASM_SVC_AUDIO:-1} != 1 ]] || run kasm_audio_out_websocket "$STARTUPDIR/jsmpeg/kasm_audio_out-linux" kasmaudio 8081 4901 "$pem" "$pem" "kasm_user:$VNC_PW"
}
start_audio_out() { :; }
start_audio_in() {
  [[ ${KASM_SVC_AUDIO_INPUT:-1} != 1 ]] ||
    run kasm_audio_in "$STARTUPDIR/audio_input/kasm_audio_input_server" --ssl --auth-token "kasm_user:$VNC_PW" --cert "$pem" --certkey "$pem"
}
start_upload() {
  [[ ${KASM_SVC_UPLOADS:-1} != 1 ]] ||
    run upload_server "$STARTUPDIR/upload_server/kasm_upload_server" --ssl --auth-token "kasm_user:$VNC_PW" --port 4902 --upload_dir "$HOME/Uploads"
}
start_gamepad() {
  [[ ${KASM_SVC_GAMEPAD:-1} != 1 ]] ||
    run kasm_gamepad "$STARTUPDIR/gamepad/kasm_gamepad_server" --ssl --auth-token "kasm_user:$VNC_PW" --cert "$pem" --certkey "$pem"
}
start_printer() { [[ ${KASM_SVC_PRINTER:-1} != 1 ]] || run kasm_printer "$STARTUPDIR/printer/kasm_printer_service" --directory "$HOME/PDF" --relay /tmp/printer; }
start_smartcard() { [[ ${KASM_SVC_SMARTCARD:-1} != 1 ]] || run kasm_smartcard "$STARTUPDIR/smartcard/kasm_smartcard_bridge" --relay /tmp/smartcard; }

############ END FUNCTION DECLARATIONS ###########

openssl req -x509 -nodes -days 3650 -newkey rsa:2048 -keyout "$pem" -out "$pem" -subj /CN=kasm 2>/dev/null ||
  { echo "no certificate can be made in $HOME/.vnc" >&2; exit 1; }
start_audio_out_websocket
start_audio_out
start_audio_in
start_upload
start_gamepad
start_printer
start_smartcard

while :; do
  for process in "${!KASM_PROCS[@]}"; do
    if ! kill -0 "${KASM_PROCS[$process]}" 2>/dev/null; then
      if [[ ${DLP_PROCESS_FAIL_SECURE:-0} == 1 ]]; then
        exit 1
      fi
      case $process in
        kasm_audio_out_websocket) start_audio_out_websocket ;;
        upload_server) start_upload ;;
        kasm_printer) start_printer ;;
        *) echo "$process has ended" ;;
      esac
    fi
  done
  sleep 3 &
  wait $!
done
SCRIPT
}

kasmvnc() {
  install -d "$tree/DEBIAN"
  cat > "$tree/DEBIAN/control" <<'CONTROL'
Package: kasmvncserver
Version: 1.0~stand-in
Architecture: all
Maintainer: The ghostaux authors <ghostaux@ghostaux.invalid>
Depends: ssl-cert, xauth, x11-xkb-utils, xkb-data, hostname, procps, xvfb, libgl1, libxfont2, libxrandr2, libdatetime-perl,
 libdatetime-timezone-perl, libhash-merge-simple-perl, liblist-moreutils-perl, libswitch-perl, libtry-tiny-perl, libyaml-tiny-perl
Description: stand-in for KasmVNC's package
CONTROL
  # Asks for the password twice, as that of KasmVNC, and takes no short one.
  program "$tree/usr/bin/vncpasswd" <<'PROGRAM'
#!/bin/sh
set -eu
[ "$*" = "-u kasm_user -w -o" ] || { echo "vncpasswd: unexpected: $*" >&2; exit 1; }
read -r first
read -r second
[ "$first" = "$second" ] && [ ${#first} -ge 6 ] || { echo "vncpasswd: too short, or not the same" >&2; exit 1; }
echo 'kasm_user:$5$kasm$x:wo' > "$HOME/.kasmpasswd"
PROGRAM
  program "$tree/usr/bin/vncserver" <<'PROGRAM'
#!/bin/sh
set -eu
[ "$*" = ":1 -websocketPort 6901 -select-de xfce -UnixRelay printer:/tmp/printer -UnixRelay smartcard:/tmp/smartcard" ] ||
  { echo "vncserver: unexpected: $*" >&2; exit 1; }
[ -s "$HOME/.kasmpasswd" ] || { echo "vncserver: there is no user" >&2; exit 1; }
[ -r /etc/ssl/private/ssl-cert-snakeoil.key ] || { echo "vncserver: the certificate's key cannot be read" >&2; exit 1; }
Xvfb :1 >/dev/null 2>&1 &
DISPLAY=:1 startxfce4 > "$HOME/.vnc/xfce.log" 2>&1 &
PROGRAM
  dpkg-deb --root-owner-group --build "$tree" "$1" >/dev/null
  rm -rf "$tree"
}

case $1 in
  kasm) kasm ;;
  kasmvnc) kasmvnc "$3" ;;
  *) echo "usage: stand-in.sh kasm TREE | kasmvnc TREE PACKAGE" >&2; exit 2 ;;
esac
