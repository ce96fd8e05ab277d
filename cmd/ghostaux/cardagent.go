package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"ghostaux/services/smartcard/cardagent"
)

// cardAgentCommand is the far end of the smart card service, for a desk without KasmVNC's card extension.
type cardAgentCommand struct {
	URL        string `arg:"" help:"The desktop: https://HOST:4900/smartcard/" placeholder:"URL"`
	ServerCert string `help:"File with the certificate that the desktop must have, for one that signs its own." type:"existingfile" placeholder:"FILE" env:"GHOSTAUX_CARD_AGENT_SERVER_CERT" xor:"trust"`
	Insecure   bool   `help:"Take any certificate." env:"GHOSTAUX_CARD_AGENT_INSECURE" xor:"trust"`
	Pcscd      string `help:"Socket of this machine's pcscd." default:"/run/pcscd/pcscd.comm" placeholder:"FILE" env:"PCSCLITE_CSOCK_NAME"`
	Reader     string `help:"Part of the card reader's name; by default the first one with a card." placeholder:"NAME" env:"GHOSTAUX_CARD_AGENT_READER"`
}

// Run connects this machine's card to the desktop until SIGTERM or SIGINT. The credential is the one of the flags and variables
// that all commands share: GHOSTAUX_AUTH_TOKEN, or --auth-token-file.
func (a cardAgentCommand) Run(c *config, out *output) error {
	credential, err := c.Auth.Credential()
	if err != nil {
		return err
	}
	agent, err := cardagent.New(cardagent.Config{
		URL: a.URL, Credential: credential, ServerCert: a.ServerCert, Insecure: a.Insecure,
		Socket: a.Pcscd, Reader: a.Reader, Log: c.Log.logger(out.stderr),
	})
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return agent.Run(ctx)
}
