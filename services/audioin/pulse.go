package audioin

import (
	"context"
	"time"

	"ghostaux/pkg/pulse"
)

// device is where peers are played to while a Run holds it.
type device interface {
	// open starts a stream that pulls float32 little endian mono at the rate.
	open(ctx context.Context, rate int, pull func([]byte)) (stream, error)
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

func (d pulseDevice) open(ctx context.Context, rate int, pull func([]byte)) (stream, error) {
	client, err := pulse.Dial(ctx, d.config.Pulse)
	if err != nil {
		return nil, err
	}
	playback, err := client.OpenPlayback(pulse.PlaybackConfig{
		Sink: sinkName, Name: "Browser microphone", Rate: rate, Latency: d.config.streamLatency(), Pull: pull,
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
