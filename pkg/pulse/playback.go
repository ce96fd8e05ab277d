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
}

// Playback is the one playback stream of its Client. It ends with the connection, and the connection with it.
type Playback struct {
	client     *Client
	index      uint32
	rate       int
	pull       func([]byte)
	buf        []byte
	underflows atomic.Int64
	sending    sync.Mutex // guards index and buf; held while the stream is opened
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
	p := &Playback{client: c, rate: cfg.Rate, pull: cfg.Pull, buf: make([]byte, maxPull)}
	p.sending.Lock() // what the server asks for meanwhile waits until the first data have been sent
	defer p.sending.Unlock()
	if !c.stream.CompareAndSwap(nil, p) {
		return nil, errHasStream
	}
	target, step := sizes(cfg.Latency, cfg.Rate)
	req := proto.CreatePlaybackStream{
		SampleSpec:         proto.SampleSpec{Format: proto.FormatFloat32LE, Channels: 1, Rate: uint32(cfg.Rate)},
		ChannelMap:         proto.ChannelMap{proto.ChannelMono},
		SinkIndex:          proto.Undefined,
		SinkName:           cfg.Sink,
		BufferMaxLength:    proto.Undefined,
		BufferTargetLength: target,
		// Never stop and wait. After the server ran dry it asks for what it missed too, and leaves that out: Pull's side
		// loses as much sound as there was silence, and the delay stays what it was.
		BufferPrebufferLength: 0,
		BufferMinimumRequest:  step,
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

func (p *Playback) send(n int) {
	for n >= sampleBytes {
		chunk := p.buf[:min(n/sampleBytes*sampleBytes, len(p.buf))]
		p.pull(chunk)
		if p.client.proto.Send(p.index, chunk) != nil {
			return // the reader reports the end
		}
		n -= len(chunk)
	}
}

// SetLatency changes the latency that OpenPlayback asked for, while the stream plays. For more of it the server asks
// Pull for the difference at once; for less it asks for nothing until it has played the difference.
func (p *Playback) SetLatency(d time.Duration) error {
	target, step := sizes(d, p.rate)
	req := proto.SetPlaybackStreamBufferAttr{
		StreamIndex: p.index, BufferMaxLength: proto.Undefined, BufferTargetLength: target,
		BufferMinimumRequest: step, AdjustLatency: true,
	}
	if err := p.client.request(&req, &proto.SetPlaybackStreamBufferAttrReply{}); err != nil {
		return fmt.Errorf("set the latency of a stream: %w", err)
	}
	return nil
}

// sizes are the bytes that the server keeps for a latency, and the fewest that it asks for at once.
func sizes(latency time.Duration, rate int) (target, step uint32) {
	target = uint32(latency.Seconds()*float64(rate)) * sampleBytes
	return target, max(target/4/sampleBytes*sampleBytes, sampleBytes)
}
