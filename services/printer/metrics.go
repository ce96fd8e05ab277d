package printer

import "ghostaux/pkg/metrics"

// Reasons why a file is no document, or a document was not sent.
const (
	reasonIncomplete = "incomplete" // no %%EOF at its end; it is looked at again when it is written to
	reasonNotPDF     = "not_pdf"
	reasonChanged    = "changed"    // while it was read; it is looked at again
	reasonUnreadable = "unreadable" // not a regular file, no permission, or the disk fails
	reasonGone       = "gone"       // overwritten or removed before it was sent, and no copy could be kept
	reasonTooLarge   = "too_large"  // the kernel does not send a message of one kilobyte
)

type counters struct {
	documents, sent, bytes, restarts *metrics.Counter
	duplicates, overflows            *metrics.Counter
	refused, failed                  metrics.Counters
}

func newCounters(reg *metrics.Registry, queued func() float64) *counters {
	reg.GaugeFunc("queued_documents", "Documents that wait for the relay.", queued)
	m := &counters{
		documents:  reg.Counter("documents_total", "New documents found in the directory."),
		sent:       reg.Counter("sent_documents_total", "Documents sent to their end."),
		bytes:      reg.Counter("bytes_total", "Bytes of documents that the relay took."),
		restarts:   reg.Counter("restarts_total", "Documents sent again from the beginning, since the relay went away."),
		duplicates: reg.Counter("duplicates_total", "Files written again with the same bytes."),
		overflows:  reg.Counter("watch_overflows_total", "Times the kernel's list of events was full, and the directory was read instead."),
		refused:    reg.Counters("refused_files_total", "Files that are no document, or not yet, by reason.", "reason"),
		failed:     reg.Counters("failures_total", "Documents that could not be sent, by reason.", "reason"),
	}
	for _, reason := range []string{reasonIncomplete, reasonNotPDF, reasonChanged, reasonUnreadable} {
		m.refused.With(reason)
	}
	for _, reason := range []string{reasonGone, reasonUnreadable, reasonTooLarge} {
		m.failed.With(reason)
	}
	return m
}
