package audioout

import (
	"time"
)

// Report is the service's part of /status.
type Report struct {
	Source    string           `json:"source"`    // --audioout-source
	Publisher *publisherReport `json:"publisher"` // who POSTs now; null when nobody does
	FFmpeg    *ffmpegReport    `json:"ffmpeg"`    // our own; null while it does not run
	Stderr    []string         `json:"stderr"`    // its last lines
	MaxLagMS  int64            `json:"max_lag_ms"`
	Players   []playerReport   `json:"players"`
}

type publisherReport struct {
	Addr  string    `json:"addr"`
	Since time.Time `json:"since"`
}

type ffmpegReport struct {
	PID    int       `json:"pid"`
	Source string    `json:"source"` // the monitor that it records
	Since  time.Time `json:"since"`
}

type playerReport struct {
	Addr           string    `json:"addr"`
	Kind           string    `json:"kind"` // "websocket", "http"
	Joined         time.Time `json:"joined"`
	LagMS          int64     `json:"lag_ms"`          // sound published and not sent
	InFlightMS     int64     `json:"in_flight_ms"`    // sound sent that the player has not confirmed
	RTTMS          float64   `json:"rtt_ms"`          // shortest round trip of late; 0 when not known
	DroppedPackets uint64    `json:"dropped_packets"` // TS packets; of one that is stalled now, those before its stall
}

// Report returns who publishes and who listens now.
func (s *Service) Report() any {
	r := &Report{
		Source: s.config.Source, Publisher: s.publishers.report(), Stderr: s.tail.lines(),
		MaxLagMS: s.config.MaxLag.Milliseconds(), Players: []playerReport{},
	}
	if e := s.running.Load(); e != nil {
		r.FFmpeg = &ffmpegReport{PID: e.pid, Source: e.source, Since: e.since}
	}
	for _, p := range s.stream.all() {
		r.Players = append(r.Players, p.report())
	}
	return r
}

func (p *player) report() playerReport {
	r := playerReport{Addr: p.addr, Kind: p.kind, Joined: p.joined, LagMS: p.lag().Milliseconds()}
	p.mu.Lock()
	r.DroppedPackets = p.drops
	p.mu.Unlock()
	if p.flight != nil {
		inFlight, rtt := p.flight.measures()
		r.InFlightMS, r.RTTMS = inFlight.Milliseconds(), float64(rtt.Microseconds())/1000
	}
	return r
}
