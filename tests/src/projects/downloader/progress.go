package main

import "io"

// Progress is a reader that tells how far it got.
type Progress struct {
	from   io.Reader
	done   int64
	total  int64
	report func(done, total int64)
}

// NewProgress wraps a reader of total bytes (-1: not known).
func NewProgress(from io.Reader, total int64, report func(done, total int64)) *Progress {
	return &Progress{from: from, total: total, report: report}
}

func (p *Progress) Read(data []byte) (int, error) {
	count, err := p.from.Read(data)
	p.done += int64(count)
	if p.report != nil {
		p.report(p.done, p.total)
	}
	return count, err
}
