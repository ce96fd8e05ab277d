// Package printer hands every PDF document that is finished in a directory to the browser, which opens its print dialogue
// with it. cups-pdf writes into that directory what applications print.
//
//	application -> cups -> cups-pdf -> directory -> inotify -> copy -> queue -> pkg/relay -> Xvnc -> browser
//
// # Documents
//
// A document is complete when its writer closes it, or when it is moved into the directory, and has %PDF at its head and %%EOF
// at its end. Hidden names and those without .pdf are ignored. Files that are there when the process starts are not new; a
// directory that comes later brings new ones. A file that is touched, linked, renamed or given another mode is not
// new; written again with the same bytes it is none either; with other bytes it is another document. Files stay where
// they are.
//
// A complete document is read once at once, into a file without a name in the same directory (O_TMPFILE; the directory for
// temporary files where that fails), which gives its SHA-256 and keeps it from being overwritten while it waits. That
// costs its size on the disk until it is sent; of sent ones 64 MiB are kept. Copying the reference instead would be free, but
// only on file systems that ghostaux rarely meets in a container.
//
// # Loss policy
//
// Nothing is lost by us: documents wait in a queue, 256 of them at most, and then the directory waits. If the kernel's
// list of events is full, the directory is read. But nobody can know over the relay whether a browser listens, so the last 50
// documents stay listed, and can be fetched and printed again from the front door. A process that is killed forgets its queue.
//
// # Wire
//
// Packets are in wire.go. They go at the pace that browsers were measured to survive with KasmVNC 1.3.4 and 1.5.1: one
// datagram of 64 KiB every 20 ms, which is 3.2 MB/s. In bursts several share a WebSocket frame, of which the client handles
// one, and the print dialogue does not come. Several browsers on one desktop all get every document; the relay knows no other way.
//
// When the relay goes away in the middle, the document starts again from the beginning when it is back.
package printer
