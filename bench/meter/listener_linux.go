package meter

import (
	"bytes"
	"encoding/hex"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Listener finds the process that listens at an address of this host: tcp and a
// port, or unix and a path. Of several, as of a supervisor and its workers, it is
// the one that none of the others has started. Who may not look into other
// users' processes does not find theirs.
func Listener(network, address string) (pid int, ok bool) {
	sockets := listening(network, address)
	if len(sockets) == 0 {
		return 0, false
	}
	var r reader
	pids, err := r.list("/proc")
	if err != nil {
		return 0, false
	}
	parents := map[int]int{}
	for _, pid := range slices.Clone(pids) {
		if s, ok := r.stat(pid); ok && holds(pid, sockets) {
			parents[pid] = s.parent
		}
	}
	for _, found := range slices.Sorted(maps.Keys(parents)) {
		if _, child := parents[parents[found]]; !child {
			return found, true
		}
	}
	return 0, false
}

// listening are the sockets of all that listen at an address, as the links in
// /proc/<pid>/fd name them.
func listening(network, address string) []string {
	var inodes []string
	if network == "unix" {
		// Num RefCount Protocol Flags Type St Inode Path
		const accepting = "00010000"
		for _, f := range table("/proc/net/unix") {
			if len(f) >= 8 && f[3] == accepting && f[7] == address {
				inodes = append(inodes, "socket:["+f[6]+"]")
			}
		}
		return inodes
	}
	port, err := strconv.ParseUint(address, 10, 16)
	if err != nil {
		return nil
	}
	want := strings.ToUpper(hex.EncodeToString([]byte{byte(port >> 8), byte(port)}))
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		// sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode
		const listen = "0A"
		for _, f := range table(file) {
			if len(f) >= 10 && f[3] == listen && strings.HasSuffix(f[1], ":"+want) {
				inodes = append(inodes, "socket:["+f[9]+"]")
			}
		}
	}
	return inodes
}

// table is a file of /proc/net, its lines in fields.
func table(file string) (rows [][]string) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	for line := range bytes.Lines(b) {
		rows = append(rows, strings.Fields(string(line)))
	}
	return rows
}

// holds tells whether a process has one of the sockets open.
func holds(pid int, sockets []string) bool {
	dir := "/proc/" + strconv.Itoa(pid) + "/fd"
	d, err := os.Open(dir)
	if err != nil {
		return false
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1) //nolint:errcheck // it may have ended
	for _, name := range names {
		if to, err := os.Readlink(dir + "/" + name); err == nil && slices.Contains(sockets, to) {
			return true
		}
	}
	return false
}
