package integration

import (
	"fmt"
	"testing"
	"time"

	"ghostaux/pkg/testkit"
)

// showsCard waits until the page's facts of the card are these.
func (p *consolePage) showsCard(card, atr, reader, far string) {
	p.t.Helper()
	begin := time.Now()
	for name, want := range map[string]string{"card": card, "atr": atr, "reader": reader, "far": far} {
		p.until(20*time.Second, fmt.Sprintf("the card says of %s %q", name, want), fmt.Sprintf(
			`(({ textContent, parentElement }) => %q === textContent && parentElement.checkVisibility() === (textContent !== ""))(document.querySelector(".smartcard dd[data-fact=%s]"))`, want, name))
	}
	p.t.Logf("%s after %d ms", card, time.Since(begin).Milliseconds())
}

// A card that is put into a reader at the user's desk, and taken out of it, is seen on the page, whatever it is reached through.
func TestConsoleSmartcard(t *testing.T) {
	d := startDesk(t, "--smartcard-poll", "200ms")
	c := client(t, d.pcscd)
	p := newPage(t, 90*time.Second, nil)
	openConsole(t, d.Ghostaux, p)
	p.run(`globalThis.same = true`)
	const relay, agent = "The browser's card extension", "The card agent"
	p.showsCard("None", "", "Empty", relay)
	d.card.set(atrOne)
	p.showsCard("Inserted", "3B 80 80 01 01", "In use", relay)
	waitATR(t, c, atrOne)
	d.card.set(nil)
	p.showsCard("None", "", "Empty", relay)
	d.card.set(atrOne)
	p.showsCard("Inserted", "3B 80 80 01 01", "In use", relay)

	far := testkit.StartPcscd(t)
	card := startEmulator(t, far.Addr, true)
	startAgent(t, d.Ghostaux, far)
	p.showsCard("Inserted", "3B 81 80 01 42 42", "In use", agent)
	waitATR(t, c, atrTwo)
	card.remove()
	p.showsCard("None", "", "Empty", agent)
	p.until(time.Second, "it is the same page", `globalThis.same`)
	p.faultless()
}
