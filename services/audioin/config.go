package audioin

import (
	"errors"
	"fmt"
	"time"
)

// Config is the configuration of the service.
type Config struct {
	Addr     string        `help:"Address of the microphone service." default:":4903" env:"ADDR"`
	Latency  time.Duration `help:"Delay to aim at, from the last sample of a message to the microphone. Lower is closer, higher forgives more." default:"40ms" env:"LATENCY"`
	MaxQueue time.Duration `help:"Most sound that waits for one microphone; the oldest is dropped." default:"300ms" env:"MAX_QUEUE"`
	MaxPeers int           `help:"Most microphones at once." default:"16" env:"MAX_PEERS"`
	Pulse    string        `kong:"-"` // PulseAudio server, as in PULSE_SERVER; "" asks the environment
}

// Limits of the configuration. PulseAudio takes 64 connections in all, and every microphone is one.
const (
	minLatency  = 10 * time.Millisecond
	maxLatency  = 500 * time.Millisecond
	maxMaxQueue = 5 * time.Second
	maxMaxPeers = 48
)

// Validate names every value that cannot be meant.
func (c Config) Validate() error {
	var errs []error
	if c.Latency < minLatency || c.Latency > maxLatency {
		errs = append(errs, fmt.Errorf("--audioin-latency %v: want %v to %v", c.Latency, minLatency, maxLatency))
	}
	if c.MaxQueue < 2*c.Latency || c.MaxQueue > maxMaxQueue {
		errs = append(errs, fmt.Errorf("--audioin-max-queue %v: want at least twice --audioin-latency (%v) and at most %v", c.MaxQueue, c.Latency, maxMaxQueue))
	}
	if c.MaxPeers < 1 || c.MaxPeers > maxMaxPeers {
		errs = append(errs, fmt.Errorf("--audioin-max-peers %d: want 1 to %d", c.MaxPeers, maxMaxPeers))
	}
	return errors.Join(errs...)
}

// The latency is shared between the margin of the queue, a half, and the steps in which PulseAudio's sink takes from it and
// whoever records takes from the sink, a quarter each. What a message holds comes on top, since its end waits for its
// beginning.
func (c Config) step() time.Duration { return c.Latency / 4 }

func (c Config) jitter(rate int) jitterConfig {
	j := jitterConfig{rate: rate}
	j.target, j.max = j.samples(c.Latency/2), j.samples(c.MaxQueue)
	return j
}
