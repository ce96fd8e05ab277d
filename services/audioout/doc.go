// Package audioout brings the sound of the desktop to players in browsers.
//
// One side is a publisher of an MPEG transport stream with MP2 sound: the ffmpeg of the container's start script, which
// POSTs to the ingest (127.0.0.1:8081, path /kasmaudio), or an ffmpeg of our own, which records the monitor of the
// default sink while somebody listens. The other side are JSMpeg players over WebSocket (:4901, any path), and VLC or
// mpv over plain HTTP (/stream.ts).
//
// # Loss policy
//
// The publisher is never held up. All players share one ring of immutable messages, and each is only a place in it: who
// lags more than --audioout-max-lag is put to the newest message in one step, and what was left out is counted. What
// lies in socket buffers, ours or those of proxies, cannot be taken back, so pings in the stream tell how far a player
// has read, and no more than about max-lag is ever on the way (see flight).
//
// # On the wire
//
//   - A WebSocket message is one burst of the publisher in whole 188-byte TS packets, one MP2 frame (26.1 ms at 44.1 kHz) with
//     the start script's ffmpeg: 3 to 8 packets, about 38 a second [measured].
//   - A JSMpeg player never sends a data message; it takes any message boundaries, decodes PES stream 0xC0 whether or not
//     it has seen a PAT, and comes again 5 s after a close [jsmpeg-player 3.0.3].
//   - A player who comes late gets the current PAT and PMT before anything else, which VLC wants; they repeat every 100 ms.
//   - ffmpeg POSTs in chunks, one per MP2 frame, does not read the answer while it writes, never reconnects, and exits with
//     0 when PulseAudio goes away [measured, ffmpeg 5.1].
package audioout
