package pulse

import (
	"errors"
	"fmt"
	"strings"
)

// OutputSink is the name of the null sink that EnsureSink makes.
const OutputSink = "ghostaux_output"

// alwaysSink is the name of the sink that PulseAudio's module-always-sink makes while there is no other, and takes away
// as soon as there is one.
const alwaysSink = "auto_null"

// errNoSink is a server that loads a null sink and then does not list it.
var errNoSink = errors.New("PulseAudio made a null sink and does not list it")

// EnsureSink sees to it that applications can play to a sink that stays, makes it the default and returns it. When the
// default is one already, and not one of the sinks that must not count, it only returns that. Otherwise it takes
// another sink, or makes a null sink when there is none: the stand-in of module-always-sink does not stay, it vanishes
// when any other sink appears, and everything that plays or records there is moved.
//
// It may be called by several connections at once and again after a crash: the sink is made once. It is never removed,
// since that would move everything that plays there.
func (c *Client) EnsureSink(except ...string) (Sink, error) {
	info, err := c.ServerInfo()
	if err != nil {
		return Sink{}, err
	}
	sinks, err := c.Sinks()
	if err != nil {
		return Sink{}, err
	}
	sink, found := choose(sinks, info.DefaultSink, append([]string{alwaysSink}, except...))
	if !found {
		if sink, err = c.makeSink(); err != nil {
			return Sink{}, err
		}
	}
	// Even when it is the default already: one that was only chosen for its priority gives way to the next sink.
	if err := c.SetDefaultSink(sink.Name); err != nil {
		return Sink{}, err
	}
	return sink, nil
}

// choose prefers the default, then our own, then any.
func choose(sinks []Sink, preferred string, except []string) (Sink, bool) {
	best, rank := Sink{}, 0
	for _, s := range sinks {
		r := 1
		switch s.Name {
		case preferred:
			r = 3
		case OutputSink:
			r = 2
		}
		for _, e := range except {
			if s.Name == e {
				r = 0
			}
		}
		if r > rank {
			best, rank = s, r
		}
	}
	return best, rank > 0
}

// makeSink loads the null sink. PulseAudio gives a second one of the same name a number at its end; whoever gets that
// was second and takes it back.
func (c *Client) makeSink() (Sink, error) {
	module, err := c.LoadNullSink(OutputSink, "sink_properties='device.description=Desktop "+Mark+"'")
	if err != nil {
		return Sink{}, fmt.Errorf("make a null sink for the desktop: %w", err)
	}
	sinks, err := c.Sinks()
	if err != nil {
		return Sink{}, err
	}
	var sink Sink
	for _, s := range sinks {
		switch {
		case s.Name == OutputSink:
			sink = s
		case s.Module == module && strings.HasPrefix(s.Name, OutputSink):
			if err := c.UnloadModule(module); err != nil {
				return Sink{}, err
			}
		}
	}
	if sink.Name == "" {
		return Sink{}, errNoSink
	}
	return sink, nil
}
