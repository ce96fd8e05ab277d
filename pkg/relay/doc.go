// Package relay is a client of KasmVNC's Unix relay: the datagram socket that Xvnc binds for every
// `-UnixRelay name:path`, and through which a program in the desktop talks with the browsers that show it.
//
// One datagram is one message. What is sent goes to every browser that has subscribed to the relay's name, and
// to none when there is none: Xvnc drops it without a word, so a successful Send never proves delivery. What a
// browser sends comes back to the last program that sent from a socket with a path of its own.
//
// The habits of Xvnc (KasmVNC 1.3.4 and 1.5.1, measured) that shape this package:
//
//   - Its queue holds 11 small datagrams or four of 64 KiB; after that a sender has to wait. Send waits for the
//     kernel's word that there is room; it neither spins nor polls. For that the socket is connected.
//   - It answers in blocking mode from its only thread: a bound socket that nobody reads freezes the whole desktop.
//     Run therefore reads always, and hands over through a bounded queue that drops the oldest. A program that
//     needs no answers leaves Receive nil and is never bound at all.
//   - It answers to the address with its full length, so only a socket bound to an absolute path is reached,
//     and only after that socket has sent something.
//   - It may start late, stop (the socket file stays, and refuses), and start again with a new file. Every loss is told
//     by exactly one failed Send, with ErrAbsent; the next Send connects anew. Whoever sends messages that
//     belong together can thus tell that the far end has not seen the first ones.
//   - A sender's buffer limits a datagram to 212,960 bytes by default, and Xvnc cuts silently at 1 MiB. Stay at 64 KiB.
package relay
