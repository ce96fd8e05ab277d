// Package audioin turns the microphones of browsers into a microphone in the container.
//
// # Outside
//
// A peer opens wss://.../?sample_rate=N and sends binary messages of float32 little endian mono samples at that rate,
// in the manner of Kasm's web client: a ScriptProcessor of 2048 frames, so 8192 bytes a message, at the rate of its
// AudioContext. There is no greeting, no header and no answer; the peer ends by closing. Rates go from 8000 to 384000, a
// peer that names none has 44100, nonsense is answered 400. A message may have 1 MiB, a larger one is answered 1009 and
// a text 1003. Bytes after the last whole sample of a message are ignored. Only owners may speak.
//
// # Inside
//
// Applications record from the source ghostaux_mic, which is a remapped source and no monitor, so that browsers offer it
// as a microphone. It hears the null sink ghostaux_mic_sink, to which each peer has a playback stream of its own, at the
// peer's rate; PulseAudio mixes and resamples. Sink and source are found by name after a crash, made when they are
// missing, made again when they go, and removed at the end when some ghostaux made them.
//
// The desktop's sound must not notice. Measured with PulseAudio 16.1: loading a null sink takes away the stand-in sink
// of module-always-sink and makes itself the default, and a new real source becomes the default source, which moves
// every recording stream that follows the default. Hence the order: first a sink that stays is the default sink and its
// monitor the default source, then the microphone is made, then it becomes the default source, and at once the streams
// that this moved go back to the monitor, where they stay. A publisher of the desktop's sound that comes later and asks
// for the default source, as the start script of Kasm's images does with ffmpeg, is known by its command line and
// moved too. See publisher.go.
//
// # Between
//
// Each peer has a jitter buffer that keeps a margin and follows the peer's clock; see jitter. What it holds lies in the
// peer's stream in PulseAudio, which is a line in time: a message is written to its place on it as soon as it comes, by
// the goroutine that read it, and nothing is asked for. PulseAudio would ask a hundred times in a second, and to be asked
// costs more of the processor than all else that is done for a microphone. How far PulseAudio has come on the line is
// known from what it says now and then. Loss policy: sound is live. The queue is bounded by --audioin-max-queue, the oldest goes first; what is missing is silence of the same
// length, never squeezed time. A peer whose stream dies, since PulseAudio was restarted, keeps its socket: its sound
// goes on in a new stream if PulseAudio comes back within some seconds, else it is told 1013, as is a peer that comes
// while there is no PulseAudio.
package audioin
