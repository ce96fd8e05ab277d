package pulse

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/jfreymuth/pulse/proto"
)

// PlaybackConfig says what a playback stream is like: float32, little endian, mono.
type PlaybackConfig struct {
	Sink string        // name; the stream is ended when the sink goes, and never moved to another
	Name string        // shown to people in mixers
	Rate int           // samples/s; the server resamples
	Step time.Duration // the server's sink is asked to take so much at a time, and no more
}

// Playback is the one playback stream of its Client. It ends with the connection, and the connection with it.
//
// It plays from the moment that it is opened, and never waits: what has not been written when its time comes is silence.
// So the stream is a line in time. Taken says how far the server has come on it, and Write puts samples anywhere on it.
type Playback struct {
	client *Client
	index  uint32
	packet []byte // one, with its header; the writer's own

	mu    sync.Mutex // guards the following fields
	ahead int64      // bytes that the server asks for beyond what it has taken
	asked int64      // bytes so far
	clock clock
}

// askEvery is how much the server takes until it asks for more, which is when it tells how much it has taken. To ask and
// to be heard costs a wake-up of each side, and nothing is sent for it; between two the clock knows.
const askEvery = 400 * time.Millisecond

// maxPacket bounds the samples of one packet, in bytes; the server takes no more than 64 KiB.
const maxPacket = 32 << 10

const sampleBytes = 4

var errHasStream = errors.New("this connection has a playback stream already")

// OpenPlayback opens the playback stream of this connection.
func (c *Client) OpenPlayback(cfg PlaybackConfig) (*Playback, error) {
	if len(cfg.Sink) > maxName || len(cfg.Name) > maxName {
		return nil, fmt.Errorf("open a stream: %w", errTooLong)
	}
	p := &Playback{client: c, packet: make([]byte, headerSize+maxPacket)}
	p.mu.Lock() // what the server asks for waits until its answer is known
	defer p.mu.Unlock()
	if !c.stream.CompareAndSwap(nil, p) {
		return nil, errHasStream
	}
	bytes := func(d time.Duration) uint32 { return uint32(d.Seconds()*float64(cfg.Rate)) * sampleBytes }
	req := proto.CreatePlaybackStream{
		SampleSpec:      proto.SampleSpec{Format: proto.FormatFloat32LE, Channels: 1, Rate: uint32(cfg.Rate)},
		ChannelMap:      proto.ChannelMap{proto.ChannelMono},
		SinkIndex:       proto.Undefined,
		SinkName:        cfg.Sink,
		BufferMaxLength: proto.Undefined,
		// PulseAudio takes twice the least request off the target, and lets the sink work in steps of half of what is left.
		BufferTargetLength:    2*bytes(askEvery) + 2*bytes(cfg.Step),
		BufferMinimumRequest:  bytes(askEvery),
		BufferPrebufferLength: 0, // never stop and wait
		ChannelVolumes:        proto.ChannelVolumes{uint32(proto.VolumeNorm)},
		NoMove:                true,
		AdjustLatency:         true,
		Properties: proto.PropList{
			"media.name": proto.PropListString(cfg.Name),
			"media.role": proto.PropListString("phone"),
		},
	}
	var reply proto.CreatePlaybackStreamReply
	if err := c.request(&req, &reply); err != nil {
		return nil, fmt.Errorf("open a stream to %s: %w", cfg.Sink, err)
	}
	p.index = reply.StreamIndex
	p.ahead = int64(reply.BufferTargetLength)
	p.asked = int64(reply.Missing)
	p.clock = newClock(cfg.Rate, time.Now())
	return p, nil
}

// requested notes that the server asks for n bytes more.
func (p *Playback) requested(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked += int64(n)
	p.clock.tell((p.asked-p.ahead)/sampleBytes, time.Now())
}

// Taken is how many samples the server has taken at that time since the stream was opened, silence included; it is at
// most one step more than it has. Ok is false when the server has not taken any for long: its sink is suspended, or it
// hangs. It can go back after that.
func (p *Playback) Taken(at time.Time) (samples int64, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.clock.read(at)
}

// Write puts samples on the line: skip samples after the end of the last Write, or -skip before it, where they replace
// what is there unless the server has taken it already. An error is the end of the stream. It is for one goroutine.
func (p *Playback) Write(skip int, samples []float32) error {
	for len(samples) > 0 {
		n := min(len(samples), maxPacket/sampleBytes)
		packet := p.packet[:headerSize+n*sampleBytes]
		binary.BigEndian.PutUint32(packet[0:], uint32(n*sampleBytes))
		binary.BigEndian.PutUint32(packet[4:], p.index)
		binary.BigEndian.PutUint64(packet[8:], uint64(int64(skip)*sampleBytes))
		binary.BigEndian.PutUint32(packet[16:], 0) // the offset is from where the last packet ended
		for i, v := range samples[:n] {
			binary.LittleEndian.PutUint32(packet[headerSize+i*sampleBytes:], math.Float32bits(v))
		}
		if err := p.client.packets.send(packet); err != nil {
			return p.client.Err()
		}
		samples, skip = samples[n:], 0
	}
	return nil
}
