// Package gamepad makes the pad in the user's hand a pad of the desktop: pad states from the browser become a Linux
// input device that games see, and what games tell the device's motors goes back to the browser.
//
// # From the peer
//
// WebSocket, text messages of JSON, as the web client of Kasm Workspaces sends them (read in the client):
//
//	{"message_type":"device_connected","id":<Gamepad.id>,"index":<n>}      also "device_disconnected"
//	[[slot, axis 0..3, button 0..16], ...]                                 state rows
//
// At open, index is the browser's own; later it is the slot, 0 to 3. It is taken for a name of the slot only: a pad
// exists in the slot that its state rows name. A row is always whole. Axes are floor(value * 32767), so that a stick
// at rest may be -1; buttons are 0 to 1, analogue, in the order of the W3C standard mapping; slot is null for a pad
// that the page gave no slot, whose row is ignored. What is out of range is taken to the nearest end, and null, which
// is how JavaScript writes NaN, is 0. Rows come every 20 ms for the pads that changed: a button that is held sends
// nothing. The client opens its socket once and does not reconnect.
//
// A message is at most 64 KiB and 16 rows. What is not JSON of this shape is closed with 1007, a slot that does not
// exist with 1008, a binary message with 1003. Objects of an unknown message_type are ignored. More than 1000 rows a
// second, after a burst of 12000, are read more slowly, and closed with 1008 when that lasts for 5 s.
//
// # To the peer
//
// Old clients read nothing, and may go on so.
//
//	{"message_type":"rumble","index":0,"strong":0.5,"weak":0.25,"duration":200}
//
// is what the motors of the pad in slot index shall do from now on: magnitudes 0 to 1 of the heavy and the light
// motor for duration milliseconds, at most 5000, which is the longest that browsers play. It replaces what was said
// before about that slot; both magnitudes 0 stop the motors. What a game plays for longer is said again before it
// ends. It suits vibrationActuator.playEffect("dual-rumble", {duration, strongMagnitude, weakMagnitude}), and is sent
// to the peer that holds the slot.
//
//	{"message_type":"unavailable","advice":"..."}
//
// comes before the close with 1013 when there is no device; the reason of the close is its short form. The socket
// of a peer that was there before the device failed stays open, and works again when the device does.
//
// # Loss policy
//
// There is no queue. Each slot has one wanted state, which the newest message about it replaces; the peer that sent it
// holds the slot. A slot that nobody holds is neutral: sticks centred, triggers and buttons zero. That is so when its
// peer goes, disconnects the pad, or moves it to another slot. Silence releases nothing, but a peer with something
// pressed is pinged five times a second, and when it has given no sign of life for 0.7 s, what it presses is released
// until the next one. What cannot be told apart from a page that holds a button is a page that the browser has put
// aside whole when the user left it: Chromium 156 keeps the socket of such a page open and answers its pings. A page
// that knows this closes its socket at pagehide.
//
// # The device
//
// Either pads made through uinput, or pads that the host made and mapped in as /dev/input/event0 to event3, as Kasm's
// agent does; those are written to only when ids, name, keys and place say that they are virtual pads, and get no
// rumble, since feedback goes to whoever made them. See profile.go for the two models. A pad stays when its peer goes,
// so that a game does not lose it when the page is reloaded; see Config.Remove.
//
// A container sees new pads only if it has the host's /dev/input (docker run -v /dev/input:/dev/input, with a device
// rule for character devices 13:*). Programs that wait for udev's messages do not get them across network namespaces:
// for them, Config.Count makes the pads at start.
package gamepad
