package gamepad

import (
	"context"
	"fmt"
	"strings"

	"ghostaux/pkg/service"
)

// Check implements service.Checker.
func (s *Service) Check(context.Context) []service.Finding {
	attach := &attachMaker{dir: s.config.Input, node: openWrite}
	if s.config.Device != DeviceUinput {
		if found := attach.present(); len(found) > 0 {
			return []service.Finding{{What: "gamepads of the host", OK: true, Detail: strings.Join(found, ", ")}}
		}
		if s.config.Device == DeviceAttach {
			_, err := attach.open(0, nil)
			f := s.fault(attach, err)
			return []service.Finding{{What: "gamepads of the host", Detail: f.Error(), Advice: f.Advice}}
		}
	}
	n, err := openReadWrite(s.config.Uinput)
	if err != nil {
		f := s.fault(&uinputMaker{model: s.model}, err)
		return []service.Finding{{What: "uinput", Detail: f.Error(), Advice: f.Advice}}
	}
	_ = n.Close()
	return []service.Finding{{
		What: "uinput", OK: true,
		Detail: fmt.Sprintf("%s can be opened; pads look like %q (%s)", s.config.Uinput, s.model.product, s.model.name),
	}}
}
