package pulse

import (
	"errors"
	"fmt"

	"github.com/jfreymuth/pulse/proto"
)

// NoModule is the Module of what no module made.
const NoModule = proto.Undefined

// Mark is the property, as an argument of modules, that tells what ghostaux made from what merely has the same name.
const Mark = "ghostaux.made=1"

// maxName and maxArgs bound the strings of a request, so that it fits the proto package's buffer. PulseAudio's own
// limit for a name is 128 bytes.
const (
	maxName = 256
	maxArgs = 640
)

// ServerInfo is what the server says about itself.
type ServerInfo struct {
	Name          string // "pulseaudio"; PipeWire says "PulseAudio (on PipeWire 1.0.5)"
	Version       string
	DefaultSink   string // name; "" for none
	DefaultSource string // name; "" for none
}

// Sink is where applications play to.
type Sink struct {
	Index   uint32
	Name    string
	Monitor string // name of the source that hears what the sink plays
	Module  uint32 // index of the module that made it, or NoModule
	Ours    bool   // it carries Mark: some ghostaux made it
}

// Source is what applications record from.
type Source struct {
	Index     uint32
	Name      string
	MonitorOf string // name of the sink whose monitor it is, "" for a real source
	Module    uint32 // index of the module that made it, or NoModule
	Ours      bool   // it carries Mark: some ghostaux made it
}

// SourceOutput is a recording stream.
type SourceOutput struct {
	Index       uint32
	Source      uint32 // index of the source that it records
	Internal    bool   // it belongs to no client but to the server itself, as that of a remapped source
	Application string // application.name, as the application says; "" unknown
	Process     int    // application.process.id, as the application says; 0 unknown
}

// ServerInfo asks for the server's name and defaults.
func (c *Client) ServerInfo() (ServerInfo, error) {
	var r proto.GetServerInfoReply
	if err := c.request(&proto.GetServerInfo{}, &r); err != nil {
		return ServerInfo{}, fmt.Errorf("ask for the server's defaults: %w", err)
	}
	return ServerInfo{
		Name: r.PackageName, Version: r.PackageVersion,
		DefaultSink: r.DefaultSinkName, DefaultSource: r.DefaultSourceName,
	}, nil
}

// Sinks lists all sinks.
func (c *Client) Sinks() ([]Sink, error) {
	var reply proto.GetSinkInfoListReply
	if err := c.request(&proto.GetSinkInfoList{}, &reply); err != nil {
		return nil, fmt.Errorf("list sinks: %w", err)
	}
	sinks := make([]Sink, len(reply))
	for i, r := range reply {
		sinks[i] = Sink{Index: r.SinkIndex, Name: r.SinkName, Monitor: r.MonitorSourceName, Module: r.ModuleIndex, Ours: ours(r.Properties)}
	}
	return sinks, nil
}

// Sources lists all sources, monitors among them.
func (c *Client) Sources() ([]Source, error) {
	var reply proto.GetSourceInfoListReply
	if err := c.request(&proto.GetSourceInfoList{}, &reply); err != nil {
		return nil, fmt.Errorf("list sources: %w", err)
	}
	sources := make([]Source, len(reply))
	for i, r := range reply {
		sources[i] = Source{
			Index: r.SourceIndex, Name: r.SourceName, MonitorOf: r.MonitorSourceName,
			Module: r.ModuleIndex, Ours: ours(r.Properties),
		}
	}
	return sources, nil
}

// SourceOutputs lists all recording streams.
func (c *Client) SourceOutputs() ([]SourceOutput, error) {
	var reply proto.GetSourceOutputInfoListReply
	if err := c.request(&proto.GetSourceOutputInfoList{}, &reply); err != nil {
		return nil, fmt.Errorf("list recording streams: %w", err)
	}
	outputs := make([]SourceOutput, len(reply))
	for i, r := range reply {
		outputs[i] = SourceOutput{
			Index: r.SourceOutpuIndex, Source: r.SourceIndex, Internal: r.ClientIndex == proto.Undefined,
			Application: property(r.Properties, "application.name"),
			Process:     number(property(r.Properties, "application.process.id")),
		}
	}
	return outputs, nil
}

// LoadModule loads a module and returns its index.
func (c *Client) LoadModule(name, args string) (uint32, error) {
	if len(name) > maxName || len(args) > maxArgs {
		return NoModule, fmt.Errorf("load %.64s: arguments of %d bytes: %w", name, len(args), errTooLong)
	}
	var r proto.LoadModuleReply
	if err := c.request(&proto.LoadModule{Name: name, Args: args}, &r); err != nil {
		return NoModule, fmt.Errorf("load %s: %w", name, err)
	}
	return r.ModuleIndex, nil
}

// LoadNullSink loads a null sink with the further arguments. Without norewinds it would buffer up to two seconds ahead;
// servers before 15.0 do not know that argument.
func (c *Client) LoadNullSink(name, args string) (uint32, error) {
	args = "sink_name=" + name + " " + args
	module, err := c.LoadModule("module-null-sink", args+" norewinds=1")
	if errors.Is(err, proto.ErrModuleInitializationFailed) {
		module, err = c.LoadModule("module-null-sink", args)
	}
	return module, err
}

// UnloadModule unloads a module and everything that it made.
func (c *Client) UnloadModule(index uint32) error {
	if err := c.request(&proto.UnloadModule{ModuleIndex: index}, nil); err != nil {
		return fmt.Errorf("unload module %d: %w", index, err)
	}
	return nil
}

// SetDefaultSink makes the sink the one that applications play to when they do not choose.
func (c *Client) SetDefaultSink(name string) error {
	if len(name) > maxName {
		return fmt.Errorf("set default sink: name of %d bytes: %w", len(name), errTooLong)
	}
	if err := c.request(&proto.SetDefaultSink{SinkName: name}, nil); err != nil {
		return fmt.Errorf("set default sink %s: %w", name, err)
	}
	return nil
}

// SetDefaultSource makes the source the one that applications record from when they do not choose. Streams that follow
// the default are moved to it.
func (c *Client) SetDefaultSource(name string) error {
	if len(name) > maxName {
		return fmt.Errorf("set default source: name of %d bytes: %w", len(name), errTooLong)
	}
	if err := c.request(&proto.SetDefaultSource{SourceName: name}, nil); err != nil {
		return fmt.Errorf("set default source %s: %w", name, err)
	}
	return nil
}

// MoveSourceOutput moves a recording stream to the source of that name, where it stays when the default changes.
func (c *Client) MoveSourceOutput(index uint32, source string) error {
	if len(source) > maxName {
		return fmt.Errorf("move recording stream: name of %d bytes: %w", len(source), errTooLong)
	}
	req := proto.MoveSourceOutput{SourceOutputIndex: index, DeviceIndex: proto.Undefined, DeviceName: source}
	if err := c.request(&req, nil); err != nil {
		return fmt.Errorf("move recording stream %d to %s: %w", index, source, err)
	}
	return nil
}

// Mask chooses the kinds of objects whose changes are wanted.
type Mask = proto.SubscriptionMask

// The kinds of objects. Server stands for the defaults.
const (
	MaskSink         Mask = proto.SubscriptionMaskSink
	MaskSource       Mask = proto.SubscriptionMaskSource
	MaskSourceOutput Mask = proto.SubscriptionMaskSourceInput
	MaskServer       Mask = proto.SubscriptionMaskServer
)

// Subscribe asks for news of these objects, in place of those asked for before. The channel carries no detail and holds
// one event at most, which stands for all that happened since it was received last: look at everything again.
func (c *Client) Subscribe(mask Mask) (<-chan struct{}, error) {
	if err := c.request(&proto.Subscribe{Mask: mask}, nil); err != nil {
		return nil, fmt.Errorf("subscribe to changes: %w", err)
	}
	return c.events, nil
}

// property reads a string property, "" when it is not there.
func property(props proto.PropList, key string) string {
	if v, ok := props[key]; ok && len(v) > 0 {
		return v.String()
	}
	return ""
}

func ours(props proto.PropList) bool { return property(props, "ghostaux.made") == "1" }

func number(s string) int {
	n := 0
	for _, c := range []byte(s) {
		if c < '0' || c > '9' || n > 1<<30 {
			return 0
		}
		n = n*10 + int(c-'0')
	}
	return n
}
