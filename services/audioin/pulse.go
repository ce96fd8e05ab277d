package audioin

import (
	"context"
	"time"

	"ghostaux/pkg/pulse"
)

// device is where peers are played to while a Run holds it.
type device interface {
	// open starts a stream that plays the peer.
	open(ctx context.Context, p *peer) (stream, error)
}

// stream is one peer's sound in PulseAudio.
type stream interface {
	Done() <-chan struct{} // closed when it has ended, by whomever
	Underflows() int64     // times that it ran dry
	SetLatency(time.Duration) error
	Close()
}

// pulseDevice opens each stream on a connection of its own: one that is slow or dead harms no other.
type pulseDevice struct {
	config Config
}

func (d pulseDevice) open(ctx context.Context, p *peer) (stream, error) {
	client, err := pulse.Dial(ctx, d.config.Pulse)
	if err != nil {
		return nil, err
	}
	playback, err := client.OpenPlayback(pulse.PlaybackConfig{
		Sink: sinkName, Name: "Browser microphone", Rate: p.rate, Latency: d.config.streamLatency(),
		Pull: p.pull, Skip: p.skip,
	})
	if err != nil {
		client.Close()
		return nil, err
	}
	return pulseStream{client, playback}, nil
}

type pulseStream struct {
	*pulse.Client
	playback *pulse.Playback
}

func (s pulseStream) Underflows() int64 { return s.playback.Underflows() }

func (s pulseStream) SetLatency(d time.Duration) error { return s.playback.SetLatency(d) }
