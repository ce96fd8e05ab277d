package audioout

import (
	"context"
	"errors"

	"ghostaux/pkg/pulse"
	"ghostaux/pkg/service"
)

// microphoneSink is where the audio-in service plays what people say. Its monitor is never recorded: they would hear themselves.
const microphoneSink = "ghostaux_mic_sink"

// pulseServer is a real soundServer.
type pulseServer struct {
	*pulse.Client
	changed <-chan struct{}
}

// dialPulse connects to the server that the environment names, as ffmpeg will.
func dialPulse(ctx context.Context) (soundServer, error) {
	c, err := pulse.Dial(ctx, "")
	if err != nil {
		return nil, err
	}
	changed, err := c.Subscribe(pulse.MaskSink | pulse.MaskServer)
	if err != nil {
		c.Close()
		return nil, err
	}
	return &pulseServer{Client: c, changed: changed}, nil
}

// Monitor implements soundServer.
func (p *pulseServer) Monitor() (string, error) {
	sink, err := p.EnsureSink(microphoneSink)
	if err != nil {
		return "", err
	}
	if sink.Monitor == "" {
		return "", errors.New("sink " + sink.Name + " has no monitor")
	}
	return sink.Monitor, nil
}

// Changed implements soundServer.
func (p *pulseServer) Changed() <-chan struct{} { return p.changed }

// checkPulse looks for the server and its sinks.
func (s *Service) checkPulse(ctx context.Context) service.Finding {
	f := service.Finding{What: "PulseAudio"}
	ctx, cancel := context.WithTimeout(ctx, checkLimit)
	defer cancel()
	c, err := pulse.Dial(ctx, "")
	if err != nil {
		f.Detail, f.Advice = err.Error(), adviceNoPulse
		return f
	}
	defer c.Close()
	info, err := c.ServerInfo()
	if err != nil {
		f.Detail, f.Advice = err.Error(), adviceNoPulse
		return f
	}
	f.OK = true
	f.Detail = info.Name + " " + info.Version + ", default sink " + info.DefaultSink
	if info.DefaultSink == "" {
		f.Detail = info.Name + " " + info.Version + ", no sink: a null sink will be made"
	}
	return f
}
