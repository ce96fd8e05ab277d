// What plays blocks of samples in an AudioContext: an AudioWorklet, or where the browser gives none to the page, as over
// plain http, a ScriptProcessor, which has more delay.
import { address } from "./channel.js";
import { Playout } from "./playout.js";

const BLOCK = 1024; // samples of a ScriptProcessor at a time

// startPlayer returns {push(left, right), pause(), figures: {queue, gaps, skipped}}, the figures in samples.
export async function startPlayer(context, output) {
  try {
    await context.audioWorklet.addModule(address("playout-worklet.js"));
  } catch {
    return scriptPlayer(context, output);
  }
  return workletPlayer(context, output);
}

function workletPlayer(context, output) {
  const node = new AudioWorkletNode(context, "ghostaux-player", { numberOfInputs: 0, outputChannelCount: [2] });
  const player = {
    figures: { queue: 0, gaps: 0, skipped: 0 },
    push(left, right) {
      const block = [left.slice(), right.slice()];
      node.port.postMessage(block, block.map(({ buffer }) => buffer));
    },
    pause: () => node.port.postMessage(null),
  };
  node.port.onmessage = ({ data }) => { player.figures = data; };
  node.connect(output);
  return player;
}

function scriptPlayer(context, output) {
  const playout = new Playout(context.sampleRate);
  const node = context.createScriptProcessor(BLOCK, 0, 2);
  node.onaudioprocess = ({ outputBuffer }) => playout.pull(outputBuffer.getChannelData(0), outputBuffer.getChannelData(1));
  node.connect(output);
  return { figures: playout, push: (left, right) => playout.push(left, right), pause: () => playout.pause(), node }; // which keeps it alive
}
