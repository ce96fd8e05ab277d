package relay

import "sync"

// queueLength is the number of datagrams that wait for the consumer before the oldest is dropped.
const queueLength = 64

// queue is a ring of datagrams between the socket, which is always read, and the consumer, which may be slow.
// Its buffers are used again and again.
type queue struct {
	ready chan struct{} // holds a value when the ring may have something

	mu    sync.Mutex // guards the following fields
	slots [queueLength][]byte
	first int
	count int
}

func newQueue() *queue { return &queue{ready: make(chan struct{}, 1)} }

// put copies the datagram in, and reports whether the oldest had to go for it.
func (q *queue) put(datagram []byte) (dropped bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.count == queueLength {
		q.first = (q.first + 1) % queueLength
		q.count--
		dropped = true
	}
	i := (q.first + q.count) % queueLength
	q.slots[i] = append(q.slots[i][:0], datagram...)
	q.count++
	select {
	case q.ready <- struct{}{}:
	default:
	}
	return dropped
}

// take returns the oldest datagram and keeps spare for a later one; ok is false when there is none.
func (q *queue) take(spare []byte) (datagram []byte, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.count == 0 {
		return spare, false
	}
	datagram = q.slots[q.first]
	q.slots[q.first] = spare
	q.first = (q.first + 1) % queueLength
	q.count--
	return datagram, true
}
