// The measure of the bench: a relay as small as the one that ghostaux replaces. A publisher POSTs to the first port; every
// chunk goes as one binary message to every WebSocket of the second, on TLS, without any bound.
// Usage: node relay.mjs CERT KEY; prints {"ingest": port, "players": port}.
import {readFileSync} from 'node:fs';
import {createServer as createIngest} from 'node:http';
import {createServer as createPlayers} from 'node:https';
import {WebSocket, WebSocketServer} from 'ws';

const [cert, key] = process.argv.slice(2);
const secure = createPlayers({cert: readFileSync(cert), key: readFileSync(key)});
const players = new WebSocketServer({server: secure, perMessageDeflate: false});
players.on('connection', (socket) => socket.on('error', () => {}));

const ingest = createIngest((request, response) => {
	request.socket.setTimeout(0);
	request.on('data', (chunk) => {
		for (const player of players.clients) {
			if (player.readyState === WebSocket.OPEN) player.send(chunk);
		}
	});
	request.on('end', () => response.end());
});
ingest.requestTimeout = 0;
ingest.headersTimeout = 0;

await new Promise((done) => ingest.listen(0, '127.0.0.1', done));
await new Promise((done) => secure.listen(0, '127.0.0.1', done));
console.log(JSON.stringify({ingest: ingest.address().port, players: secure.address().port}));
