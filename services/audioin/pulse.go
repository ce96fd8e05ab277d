package audioin

import (
	"context"
	"time"

	"ghostaux/pkg/pulse"
)

// device is where peers are played to while a Run holds it.
type device interface {
	// open starts a stream of so many samples/s.
	open(ctx context.Context, rate int) (stream, error)
}

// stream is one peer's sound in PulseAudio.
type stream interface {
	Done() <-chan struct{} // closed when it has ended, by whomever
	// Taken and Write are those of pulse.Playback.
	Taken(at time.Time) (samples int64, ok bool)
	Write(skip int, samples []float32) error
	Close()
}

// pulseDevice opens each stream on a connection of its own: one that is slow or dead harms no other.
type pulseDevice struct {
	config Config
}

func (d pulseDevice) open(ctx context.Context, rate int) (stream, error) {
	client, err := pulse.Dial(ctx, d.config.Pulse)
	if err != nil {
		return nil, err
	}
	playback, err := client.OpenPlayback(pulse.PlaybackConfig{
		Sink: sinkName, Name: "Browser microphone", Rate: rate, Step: d.config.step(),
	})
	if err != nil {
		client.Close()
		return nil, err
	}
	return pulseStream{client, playback}, nil
}

type pulseStream struct {
	*pulse.Client
	*pulse.Playback
}
