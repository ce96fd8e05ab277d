// Package cardagent is the far end of the smart card service for people without KasmVNC's card extension: it runs where
// the card is, speaks to pcscd there, and connects to ghostaux's front door, /smartcard/.
//
// Over the WebSocket go the packets of KasmVNC's channel, version 0 (services/smartcard/wire.go), one a binary message: ghostaux
// asks, the agent answers in order. Unlike KasmVNC's client it resets the card when it is asked to, and never answers from
// memory. It connects again for ever, except when another agent has taken its place.
//
// The PC/SC client is services/smartcard/pcsc. github.com/gballet/go-libpcsclite, which is pure Go too, was judged and not
// taken: since 2019 without a change, it speaks protocol versions up to 4:4 but hard-codes T=1 for every card, reads the
// reader states at the offsets of a Go struct instead of pcscd's (so ATR and state are wrong, and not exported), takes one
// short read for a whole answer, has no deadlines, and cannot be closed.
package cardagent
