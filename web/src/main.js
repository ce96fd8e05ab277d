// The console: the states of the services, and the desktop's sound.
import { listenToSound } from "./sound.js";
import { showServices } from "./services.js";

listenToSound(document.getElementById("play"), document.getElementById("sound-state"));
showServices(document.getElementById("services"));
