package audioin

import (
	"errors"
	"fmt"

	"ghostaux/pkg/pulse"
)

// Names of what the service makes in PulseAudio.
const (
	sinkName   = "ghostaux_mic_sink"
	sourceName = "ghostaux_mic"
)

// What people see in a mixer. The sink cannot be hidden, so it says what it is.
const (
	sinkArgs = "format=float32le rate=48000 channels=1 channel_map=mono " +
		`sink_properties='device.description="Browser microphone, inner side" ` + pulse.Mark + `'`
	sourceArgs = "source_name=" + sourceName + " master=" + sinkName + ".monitor " +
		"channels=1 channel_map=mono master_channel_map=mono remix=no " +
		`source_properties='device.description="Browser microphone" device.icon_name=audio-input-microphone ` + pulse.Mark + `'`
)

var errNotMade = errors.New("PulseAudio loaded the module and does not list what it makes")

// microphone is the source that applications record from and what it stands on, over one control connection.
type microphone struct {
	client  *pulse.Client
	publish publishers
	desktop pulse.Sink // where applications play, whose monitor is the desktop's sound
}

// install makes the microphone, or takes over the one that is there.
func install(client *pulse.Client, publish publishers) (*microphone, error) {
	m := &microphone{client: client, publish: publish}
	return m, m.keep()
}

// keep makes what is missing. It changes nothing while everything is there, and is called after every change.
func (m *microphone) keep() error {
	state, err := look(m.client)
	if err != nil {
		return err
	}
	if !state.complete() {
		if err := m.make(state); err != nil {
			return err
		}
		if state, err = look(m.client); err != nil {
			return err
		}
		if !state.complete() {
			return errNotMade
		}
	}
	if m.desktop, err = state.desktop(m.client); err != nil {
		return err
	}
	return m.publish.pin(m.client, state.source.Index, m.desktop.Monitor)
}

// make makes the microphone and makes it the default source. The order keeps the desktop's sound going; see the package.
func (m *microphone) make(state state) error {
	if err := remove(m.client, state); err != nil { // one without the other is of no use
		return err
	}
	desktop, err := m.client.EnsureSink(sinkName)
	if err != nil {
		return err
	}
	if err := m.client.SetDefaultSource(desktop.Monitor); err != nil {
		return err
	}
	if _, err := m.client.LoadNullSink(sinkName, sinkArgs); err != nil {
		return fmt.Errorf("make the sink of the microphone: %w", err)
	}
	if _, err := m.client.LoadModule("module-remap-source", sourceArgs); err != nil {
		return fmt.Errorf("make the microphone: %w", err)
	}
	before, err := m.client.SourceOutputs()
	if err != nil {
		return err
	}
	if err := m.client.SetDefaultSource(sourceName); err != nil {
		return err
	}
	// Without waiting for anything: until they are back, they hear the microphone and not the desktop.
	return m.publish.sendBack(m.client, before, desktop.Monitor)
}

// remove takes away what some ghostaux made. Streams on it are ended or moved by PulseAudio.
func (m *microphone) remove() error {
	state, err := look(m.client)
	if err != nil {
		return err
	}
	return remove(m.client, state)
}

func remove(client *pulse.Client, s state) error {
	var errs []error
	if s.source.Ours {
		errs = append(errs, client.UnloadModule(s.source.Module))
	}
	if s.sink.Ours {
		errs = append(errs, client.UnloadModule(s.sink.Module))
	}
	return errors.Join(errs...)
}

// state is what PulseAudio has now; names are empty for what is missing.
type state struct {
	info   pulse.ServerInfo
	sinks  []pulse.Sink
	sink   pulse.Sink
	source pulse.Source
}

func look(client *pulse.Client) (state, error) {
	var s state
	var err error
	if s.info, err = client.ServerInfo(); err != nil {
		return s, err
	}
	if s.sinks, err = client.Sinks(); err != nil {
		return s, err
	}
	sources, err := client.Sources()
	if err != nil {
		return s, err
	}
	for _, sink := range s.sinks {
		if sink.Name == sinkName {
			s.sink = sink
		}
	}
	for _, source := range sources {
		if source.Name == sourceName {
			s.source = source
		}
	}
	return s, nil
}

func (s state) complete() bool { return s.sink.Name != "" && s.source.Name != "" }

// desktop is the default sink. When that is the microphone's own, since the desktop's has gone, applications would play
// into the microphone: another is found or made.
func (s state) desktop(client *pulse.Client) (pulse.Sink, error) {
	for _, sink := range s.sinks {
		if sink.Name == s.info.DefaultSink && sink.Name != sinkName {
			return sink, nil
		}
	}
	return client.EnsureSink(sinkName)
}
