// Everything that the console can do, without its page.
import { Documents } from "./documents.js";
import { Events } from "./events.js";
import { Gamepads } from "./gamepads.js";
import { Microphone } from "./microphone.js";
import { Sound } from "./sound.js";
import { Uploads } from "./upload.js";

export class Ghostaux {
  constructor() {
    this.events = new Events();
    this.sound = new Sound(this.events);
    this.microphone = new Microphone(this.events);
    this.uploads = new Uploads(this.events);
    this.gamepads = new Gamepads(this.events);
    this.documents = new Documents(this.events);
  }

  start() {
    this.events.start();
    this.gamepads.start();
    this.sound.resume();
  }
}
