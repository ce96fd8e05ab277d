// Package pcsc is a small client of pcscd, the PC/SC daemon: as much of PC/SC as the far end of one card needs, in Go alone, so
// that the binary stays static.
//
// It speaks pcscd's socket protocol (pcsc-lite's winscard_msg.h): a request is a header [size U32][command U32] and a
// struct; the answer is the struct with its results filled in, without a header. Integers are in the machine's byte order.
// Versions 4:4 and 4:3 of the protocol are alike in what is used here; pcscd 1.8 to 2.5 speaks one of them.
//
// A Client is one connection, and serves one call at a time.
package pcsc
