package printer

import (
	"context"
	"errors"
	"os"

	"ghostaux/pkg/relay"
	"ghostaux/pkg/service"
)

// backend is cups-pdf, which makes the documents; what else writes PDF files into the directory prints just as well.
const backend = "/usr/lib/cups/backend/cups-pdf"

// Check implements service.Checker.
func (s *Service) Check(context.Context) []service.Finding {
	return []service.Finding{s.checkDirectory(), s.checkRelay(), checkBackend()}
}

func (s *Service) checkDirectory() service.Finding {
	f := service.Finding{What: "directory of documents", Detail: s.config.Dir}
	dir, err := s.config.directory()
	if err != nil {
		f.Detail, f.Advice = err.Error(), "Set HOME, or give the directory with --printer-dir."
		return f
	}
	f.Detail = dir
	sp, err := openSpool(dir)
	if err != nil {
		f.Detail = err.Error()
		if fault, ok := errors.AsType[*service.Fault](fault(dir, err)); ok {
			f.Advice = fault.Advice
		}
		return f
	}
	_ = sp.close()
	f.OK = true
	return f
}

func (s *Service) checkRelay() service.Finding {
	state := relay.StateOf(s.config.Relay)
	f := service.Finding{What: "KasmVNC's relay", OK: state.Present, Detail: state.Path, Advice: state.Advice}
	if !state.Present {
		f.Detail = state.Reason
	}
	return f
}

func checkBackend() service.Finding {
	f := service.Finding{What: "cups-pdf", OK: true, Detail: backend}
	if _, err := os.Stat(backend); err != nil {
		f.OK, f.Detail = false, "not installed"
		f.Advice = "Install cups and printer-driver-cups-pdf, and set up a queue as docs/PRINTING.md says."
	}
	return f
}
