// The desktop's sound: MP2 in an MPEG transport stream over a WebSocket, decoded by jsmpeg-player.
import JSMpeg from "jsmpeg-player";

export function listenToSound(button, state) {
  let player;
  button.addEventListener("click", () => {
    if (player) {
      player.destroy();
      player = undefined;
      button.textContent = "Play the desktop's sound";
      state.textContent = "";
      return;
    }
    const url = new URL("audio/", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    player = new JSMpeg.Player(url.href, {
      video: false,
      pauseWhenHidden: false,
      disableGl: true,
      onSourceEstablished: () => { state.textContent = "Playing."; },
    });
    player.play();
    player.audioOut?.unlock?.(() => {});
    button.textContent = "Stop the sound";
    state.textContent = "Waiting for sound.";
    globalThis.ghostauxPlayer = player;
  });
}
