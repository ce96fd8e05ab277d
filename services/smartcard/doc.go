// Package smartcard makes the card at the user's desk a card in the desktop: it bridges a far end, which has the
// card, and vpcd, the virtual reader of pcscd, which has the applications.
//
// # The far end
//
// It is KasmVNC's relay, with the browser and its card extension behind it, or a card agent (`ghostaux card-agent`)
// that has connected to /smartcard/ on the front door. While there is an agent it is asked instead of the relay; the
// newest agent wins, and the older is closed with code 1008. Both speak version 0 of KasmVNC's protocol (wire.go),
// a packet being a datagram or a binary message. The facts below are from the sources of KasmVNC's client, and measured:
//
//   - There is no identifier: an answer belongs to a request only because nothing else was asked. The client works
//     on requests side by side and answers them out of order. So one request is outstanding at most.
//   - Every viewer of the desktop answers every request. The viewers are counted by their answers to STATUS; the
//     answers of the others are waited for, at most 3 s, before the next request, and the best one counts: a known card
//     before a new one before none, a response before an error. An error is kept back for half a second: it may be a new
//     viewer's, who has no card.
//   - The client asks its card only for a STATUS, and not within a second of the last time or of a TRANSMIT: until then it
//     answers what it remembers, and at a POWER_OFF it forgets. So the first news of a card that was used comes with a STATUS
//     a second after the last APDU, and no poll, however fast, brings it sooner. Between a POWER_OFF and that STATUS "no card"
//     is not a removal, also when it is said again. (A page that was loaded less than a second before the STATUS, and was told
//     POWER_OFF since, is misunderstood: nobody says when it asked its card. The card is back with the next STATUS.)
//   - The client connects to the card at a POWER_ON or TRANSMIT and stays connected until a POWER_OFF, also when the card was
//     removed or reset by another program: then every TRANSMIT fails, that to the next card as well. So a card that is lost
//     is powered off, and the next one is connected to anew.
//   - INITIALIZE and RESET are acknowledged without touching the card. So vpcd's reset is a RESET and a POWER_OFF,
//     and the next TRANSMIT, which powers the card, finds it locked again.
//   - A payload of more than 65,535 bytes wraps its length field; such a response is answered to vpcd by 67 00.
//
// An answer that does not fit the request is discarded: that of STATUS is an ATR or empty, that of TRANSMIT is neither empty
// nor the ATR, the others are empty. After a timeout (3 s; of an agent 10 s; of a TRANSMIT --smartcard-timeout) the
// next answer says only that somebody is there: what comes until it has been quiet for a second is discarded, and only the
// answer to a new request is believed. (A STATUS that is answered many seconds late can still be taken for a newer one: then
// a card is seen that is not there any more, until the next STATUS. It has no say in what an APDU is answered.)
//
// A TRANSMIT that times out leaves its card in doubt: it is taken out of the reader, a POWER_OFF is sent to end what it
// does, and there is no card until the answer came (and was discarded) or the same time has passed again. So an answer that
// comes within twice the timeout never reaches a later APDU. What comes even later could; an agent rules that out,
// since its connection is ended instead.
//
// What version 0 cannot tell: two cards that are swapped between two STATUS while the client is connected to neither; a
// second viewer with a card of its own that joins in the middle of a burst of APDUs; and, with several viewers, whose error
// it is when one is followed by the response more than half a second later.
//
// # vpcd
//
// vpcd sees a card while it is connected, and asks for the ATR again and again, which is answered from what is known. It
// is connected while the far end has a card, and disconnected when it has none: what it waits for is not answered then,
// which the application sees as a removal. A card that cannot be reached but is not known to be gone answers 6F 00; an
// APDU of less than 4 bytes 67 00. Power on, power off and reset have no answer. There is never a message without data, which
// vpcd takes for a removal; an empty one from vpcd ends the connection. When pcscd goes, the card is powered off.
//
// vpcd sends the length and the data of a message apart, which costs 44 ms per exchange unless what arrives is
// acknowledged at once: see quickAck.
//
// # Loss policy
//
// One exchange at a time: the next message of vpcd is taken when the one before is answered. Nothing is queued for the far end
// but the last wish of vpcd about the card's power. Packets of a far end that nobody asked for are counted and dropped.
//
// # States
//
// This is what may follow on what; the package's tests hold the machine against it. In every state an event that is not
// named changes nothing: a message of vpcd without a card is ignored, and its connection closed. While exchanging, the next
// message of vpcd waits.
//
//	state        | event             | next                                               | what is done
//	no relay     | far end comes     | no browser                                         | INITIALIZE
//	no browser   | far end comes     | no browser                                         | INITIALIZE; of the other far end nothing is kept
//	no browser   | far end goes      | no relay                                           |
//	no browser   | packet            | no card, in doubt                                  | somebody is there: STATUS
//	no browser   | time              | no browser                                         | INITIALIZE and STATUS in turns, every 5 s
//	no card      | far end comes     | no browser                                         | INITIALIZE
//	no card      | far end goes      | no relay                                           |
//	no card      | packet            | no card, card present                              | an ATR: connect to vpcd
//	no card      | time              | no card, card present, no browser                  | STATUS; two that are not answered: nobody is there
//	in doubt     | far end comes     | no browser                                         | INITIALIZE
//	in doubt     | far end goes      | no relay                                           |
//	in doubt     | packet            | in doubt, no card                                  | the late response ends the doubt
//	in doubt     | time              | in doubt, no card, no browser                      | STATUS; enough time ends the doubt
//	card present | far end comes     | no browser                                         | disconnect, INITIALIZE
//	card present | far end goes      | no relay                                           | disconnect
//	card present | packet            | card present, no card                              | no ATR: disconnect; another ATR: disconnect and connect
//	card present | time              | card present, no card, no browser, in doubt        | STATUS; a silent agent is disconnected
//	card present | vpcd connects     | card present                                       |
//	card present | vpcd is lost      | card present                                       | POWER_OFF, connect again
//	card present | on, off, reset    | card present, powered                              | POWER_ON; POWER_OFF; RESET and POWER_OFF
//	card present | get ATR           | card present                                       | the ATR
//	card present | APDU              | card present, exchanging                           | TRANSMIT when the request before is answered; 67 00 when it is too short
//	powered      | far end comes     | no browser                                         | disconnect, INITIALIZE
//	powered      | far end goes      | no relay                                           | disconnect
//	powered      | packet            | powered, card present, no card                     | as for card present
//	powered      | time              | powered, card present, no card, no browser, in doubt | as for card present
//	powered      | vpcd is lost      | card present                                       | POWER_OFF, connect again
//	powered      | on, off, reset    | card present, powered                              | POWER_ON; POWER_OFF; RESET and POWER_OFF
//	powered      | get ATR           | powered                                            | the ATR
//	powered      | APDU              | powered, exchanging                                | as for card present
//	exchanging   | far end comes     | no browser                                         | disconnect, INITIALIZE
//	exchanging   | far end goes      | no relay                                           | disconnect
//	exchanging   | packet            | exchanging, powered, card present, no card         | the response; 6F 00; or disconnect when the card is gone
//	exchanging   | time              | exchanging, powered, card present, no card, in doubt, no browser | TRANSMIT unanswered: disconnect, POWER_OFF
//	exchanging   | vpcd is lost      | card present                                       | the response will be discarded; POWER_OFF, connect again
package smartcard
