// Package iouring is an io_uring, as far as dyno needs one: a generator and
// servers of its own that receive and send on many sockets with one system call
// for a batch. A ring of New receives into buffers that it chooses itself; one of
// NewBatch only does what can be done at once. There is no file, no fixed
// descriptor and no kernel thread.
//
// The interface is the kernel's linux/io_uring.h, of Linux 6.1 or later; where
// it is missing or forbidden, New says so. Other systems have none of it.
package iouring
