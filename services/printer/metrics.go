package printer

import "github.com/prometheus/client_golang/prometheus"

// Reasons why a file is no document, or a document was not sent.
const (
	reasonIncomplete = "incomplete" // no %%EOF at its end; it is looked at again when it is written to
	reasonNotPDF     = "not_pdf"
	reasonChanged    = "changed"    // while it was read; it is looked at again
	reasonUnreadable = "unreadable" // not a regular file, no permission, or the disk fails
	reasonGone       = "gone"       // overwritten or removed before it was sent, and no copy could be kept
	reasonTooLarge   = "too_large"  // the kernel does not send a message of one kilobyte
)

type metrics struct {
	documents, sent, bytes, restarts prometheus.Counter
	duplicates, overflows            prometheus.Counter
	refused, failed                  *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer, queued func() float64) *metrics {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
		reg.MustRegister(c)
		return c
	}
	reasons := func(name, help string, reasons ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{"reason"})
		reg.MustRegister(c)
		for _, r := range reasons {
			c.WithLabelValues(r)
		}
		return c
	}
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "queued_documents", Help: "Documents that wait for the relay.",
	}, queued))
	return &metrics{
		documents:  counter("documents_total", "New documents found in the directory."),
		sent:       counter("sent_documents_total", "Documents sent to their end."),
		bytes:      counter("bytes_total", "Bytes of documents that the relay took."),
		restarts:   counter("restarts_total", "Documents sent again from the beginning, since the relay went away."),
		duplicates: counter("duplicates_total", "Files written again with the same bytes."),
		overflows:  counter("watch_overflows_total", "Times the kernel's list of events was full, and the directory was read instead."),
		refused: reasons("refused_files_total", "Files that are no document, or not yet, by reason.",
			reasonIncomplete, reasonNotPDF, reasonChanged, reasonUnreadable),
		failed: reasons("failures_total", "Documents that could not be sent, by reason.",
			reasonGone, reasonUnreadable, reasonTooLarge),
	}
}
