package smartcard

import (
	"regexp"
	"strings"
	"time"
)

// trouble is the last thing that went wrong, in words for a person.
type trouble struct {
	At     time.Time
	Text   string
	Advice string
}

// Troubles that have no text of the far end.
var (
	troubleTimeout = trouble{
		Text:   "the card did not answer in time and was taken out of the reader",
		Advice: "If a PIN was asked for at the user's desk, enter it sooner, or raise --smartcard-timeout.",
	}
	troubleAgentSilent = trouble{
		Text:   "the card agent did not answer in time and was disconnected",
		Advice: "See what `ghostaux card-agent` prints at the user's desk.",
	}
	troubleLong = trouble{
		Text:   "the card's answer is longer than 65,535 bytes, which neither vpcd nor KasmVNC's channel can carry",
		Advice: "Read less at once in the application.",
	}
	troubleVersion = trouble{
		Text:   "the browser speaks another version of the smart card protocol",
		Advice: "Use a KasmVNC client that speaks version 0, or `ghostaux card-agent`.",
	}
)

func (m *machine) note(now time.Time, t trouble) {
	t.At = now
	m.trouble = t
}

// noteError keeps what the far end's ERROR says.
func (m *machine) noteError(now time.Time, text []byte) {
	m.metrics.farErrors.Inc()
	m.note(now, explain(text))
}

// pcscCode is how the exception of a PC/SC function names its code.
var pcscCode = regexp.MustCompile(`(?i)0x(8010[0-9a-f]{4})`)

// Codes of PC/SC, from pcsc-lite's pcsclite.h, and what they mean for a user. A card that is gone, or was reset by another program,
// is not the card any more that the desktop's applications know.
var pcscCodes = map[string]struct {
	gone         bool
	text, advice string
}{
	"80100009": {true, "the card reader at the user's desk is gone", "Plug the reader in again."},
	"80100017": {true, "the card reader at the user's desk is gone", "Plug the reader in again."},
	"8010000c": {true, "the card was removed", "Insert the card again."},
	"80100069": {true, "the card was removed", "Insert the card again."},
	"80100068": {true, "another program reset the card", "Start again in the application; the card is offered anew."},
	"80100067": {true, "the card lost its power", "Take the card out and insert it again."},
	"80100066": {false, "the card does not respond", "Take the card out and insert it again."},
	"8010000b": {false, "another program at the user's desk uses the card alone", "Close that program."},
	"8010001d": {true, "the smart card service at the user's desk does not run", "Start pcscd, or the smart card service of the system, there."},
	"8010001e": {true, "the smart card service at the user's desk has stopped", "Start pcscd, or the smart card service of the system, there."},
	"8010002e": {true, "there is no card reader at the user's desk", "Plug a reader in."},
}

// isGone reports whether the text of an ERROR says that the card is not there any more.
func isGone(text []byte) bool {
	return pcscCodes[codeIn(text)].gone
}

func codeIn(text []byte) string {
	match := pcscCode.FindSubmatch(text)
	if match == nil {
		return ""
	}
	return strings.ToLower(string(match[1]))
}

// maxText bounds how much of a peer's text is shown.
const maxText = 100

// explain makes words for a person of an ERROR's text.
func explain(text []byte) trouble {
	code := codeIn(text)
	if known, ok := pcscCodes[code]; ok {
		return trouble{Text: known.text, Advice: known.advice}
	}
	if code != "" {
		return trouble{Text: "the card reader at the user's desk reports 0x" + code, Advice: "Take the card out and insert it again."}
	}
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, string(text[:min(len(text), maxText)]))
	return trouble{Text: "the browser reports: " + clean, Advice: "Reload the desktop's page."}
}
