// Uploads one file with tus-js-client: node upload_tus.mjs ENDPOINT AUTHORIZATION FILE NAME
import fs from "node:fs";
import tus from "tus-js-client";

const [endpoint, authorization, file, name] = process.argv.slice(2);
const upload = new tus.Upload(fs.createReadStream(file), {
  endpoint, chunkSize: 1 << 20, uploadSize: fs.statSync(file).size,
  headers: {Authorization: authorization},
  metadata: {filename: name},
  retryDelays: Array(60).fill(250),
  onError: e => { console.error(String(e)); process.exit(1); },
  onSuccess: () => console.log("done"),
  onProgress: (sent, total) => console.log("sent", sent, total),
});
upload.start();
