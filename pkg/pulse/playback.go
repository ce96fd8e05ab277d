package pulse

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jfreymuth/pulse/proto"
)

// PlaybackConfig says what a playback stream is like: float32, little endian, mono.
type PlaybackConfig struct {
	Sink    string        // name; the stream is ended when the sink goes, and never moved to another
	Name    string        // shown to people in mixers
	Rate    int           // samples/s; the server resamples
	Latency time.Duration // from Pull to the sink's output; the server's sink is asked to work in steps that allow it
	// Pull fills p with the next sound. It is called when the server wants more, in the reader's goroutine: it must not
	// block and not call methods of the Client.
	Pull func(p []byte)
	// Skip is called, as Pull is, after the server ran dry: n bytes would have been played meanwhile, and are not wanted
	// any more. It may be nil.
	Skip func(n int)
}

// Playback is the one playback stream of its Client. It ends with the connection, and the connection with it.
type Playback struct {
	client     *Client
	index      uint32
	rate       int
	pull       func([]byte)
	skip       func(int)
	buf        []byte
	underflows atomic.Int64
	target     atomic.Uint32 // bytes that the server keeps
	sending    sync.Mutex    // guards index and buf; held while the stream is opened
}

// maxPull bounds one packet, so that Pull never sees a buffer larger than this. A server that wants more, since it was
// stopped for a while, gets several.
const maxPull = 8 << 10

const sampleBytes = 4

var errHasStream = errors.New("this connection has a playback stream already")

// OpenPlayback opens the playback stream of this connection. It plays at once: Pull always has something, if only silence.
func (c *Client) OpenPlayback(cfg PlaybackConfig) (*Playback, error) {
	if len(cfg.Sink) > maxName || len(cfg.Name) > maxName {
		return nil, fmt.Errorf("open a stream: %w", errTooLong)
	}
	p := &Playback{client: c, rate: cfg.Rate, pull: cfg.Pull, skip: cfg.Skip, buf: make([]byte, maxPull)}
	p.sending.Lock() // what the server asks for meanwhile waits until the first data have been sent
	defer p.sending.Unlock()
	if !c.stream.CompareAndSwap(nil, p) {
		return nil, errHasStream
	}
	target, fewest := sizes(cfg.Latency, cfg.Rate)
	req := proto.CreatePlaybackStream{
		SampleSpec:         proto.SampleSpec{Format: proto.FormatFloat32LE, Channels: 1, Rate: uint32(cfg.Rate)},
		ChannelMap:         proto.ChannelMap{proto.ChannelMono},
		SinkIndex:          proto.Undefined,
		SinkName:           cfg.Sink,
		BufferMaxLength:    proto.Undefined,
		BufferTargetLength: target,
		// Never stop and wait. After the server ran dry it asks for what it missed too, and leaves that out, so that the
		// delay stays what it was. See send.
		BufferPrebufferLength: 0,
		BufferMinimumRequest:  fewest,
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
	p.target.Store(reply.BufferTargetLength)
	p.send(int(reply.Missing))
	return p, nil
}

// Underflows is how often the server ran out of data, since the machine was too busy to bring it.
func (p *Playback) Underflows() int64 { return p.underflows.Load() }

// requested answers the server's request for n bytes.
func (p *Playback) requested(n int) {
	p.sending.Lock()
	defer p.sending.Unlock()
	p.send(n)
}

// send brings n bytes. What is more than the server keeps lies in its past: nobody will hear it, so it is silence.
func (p *Playback) send(n int) {
	if late := (n - int(p.target.Load())) / sampleBytes * sampleBytes; late > 0 {
		if p.skip != nil {
			p.skip(late)
		}
		p.bring(late, func(b []byte) { clear(b) })
		n -= late
	}
	p.bring(n, p.pull)
}

func (p *Playback) bring(n int, fill func([]byte)) {
	for n >= sampleBytes {
		chunk := p.buf[:min(n/sampleBytes*sampleBytes, len(p.buf))]
		fill(chunk)
		if p.client.proto.Send(p.index, chunk) != nil {
			return // the reader reports the end
		}
		n -= len(chunk)
	}
}

// SetLatency changes the latency that OpenPlayback asked for, while the stream plays. For more of it the server asks
// Pull for the difference at once; for less it asks for nothing until it has played the difference.
func (p *Playback) SetLatency(d time.Duration) error {
	target, fewest := sizes(d, p.rate)
	req := proto.SetPlaybackStreamBufferAttr{
		StreamIndex: p.index, BufferMaxLength: proto.Undefined, BufferTargetLength: target,
		BufferMinimumRequest: fewest, AdjustLatency: true,
	}
	before := p.target.Load()
	p.target.Store(max(before, target)) // what is asked for until the answer is known is not late
	var reply proto.SetPlaybackStreamBufferAttrReply
	if err := p.client.request(&req, &reply); err != nil {
		p.target.Store(before)
		return fmt.Errorf("set the latency of a stream: %w", err)
	}
	p.target.Store(reply.BufferTargetLength)
	return nil
}

// sizes are the bytes that the server keeps for a latency, and the fewest that it asks for at once. PulseAudio keeps twice
// the fewest and one step of the sink's, and lets the sink work in steps of half of what is left: with a sixth, the sink
// takes a third at a time, asks for it once, and has as much again while the answer is on its way.
func sizes(latency time.Duration, rate int) (target, fewest uint32) {
	target = uint32(latency.Seconds()*float64(rate)) * sampleBytes
	return target, max(target/6/sampleBytes*sampleBytes, sampleBytes)
}
