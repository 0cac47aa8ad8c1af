package cli

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"

	"github.com/dynobench/dyno/engines"
)

// identity is whom a server becomes once it has bound its sockets.
type identity struct {
	uid, gid int
	groups   []int // supplementary ones
	name     string
	home     string
	userToo  bool // not the group alone
}

// identify finds the user and the group of --user and --group, nil if neither is
// set or this process is them already.
func identify(userName, groupName string) (*identity, error) {
	if userName == "" && groupName == "" {
		return nil, nil
	}
	id := &identity{uid: os.Getuid(), gid: os.Getgid()}
	if userName != "" {
		if err := id.setUser(userName, groupName != ""); err != nil {
			return nil, fmt.Errorf("--user: %w", err)
		}
	}
	if groupName != "" {
		gid, err := groupID(groupName)
		if err != nil {
			return nil, fmt.Errorf("--group: %w", err)
		}
		id.gid = gid
	}
	if os.Getuid() != 0 {
		if id.uid == os.Getuid() && id.gid == os.Getgid() {
			return nil, nil
		}
		return nil, fmt.Errorf("--user and --group: only root can become user %d and group %d, and this process is user %d", id.uid, id.gid, os.Getuid())
	}
	return id, nil
}

func (id *identity) setUser(name string, grouped bool) error {
	id.userToo = true
	u, err := user.Lookup(name)
	if err != nil {
		if u, err = user.LookupId(name); err != nil {
			uid, e := strconv.ParseUint(name, 10, 31)
			switch {
			case e != nil:
				return fmt.Errorf("there is no user %q", name)
			case !grouped:
				return fmt.Errorf("user %d has no entry with a group: use --group", uid)
			}
			id.uid, id.name = int(uid), name
			return nil
		}
	}
	id.name, id.home = u.Username, u.HomeDir
	if id.uid, err = strconv.Atoi(u.Uid); err != nil {
		return err
	}
	if id.gid, err = strconv.Atoi(u.Gid); err != nil {
		return err
	}
	groups, err := u.GroupIds()
	if err != nil {
		return fmt.Errorf("the groups of %s: %w", name, err)
	}
	for _, g := range groups {
		gid, err := strconv.Atoi(g)
		if err != nil {
			return err
		}
		id.groups = append(id.groups, gid)
	}
	return nil
}

func groupID(name string) (int, error) {
	g, err := user.LookupGroup(name)
	if err == nil {
		return strconv.Atoi(g.Gid)
	}
	gid, e := strconv.ParseUint(name, 10, 31)
	if e != nil {
		return 0, fmt.Errorf("there is no group %q", name)
	}
	return int(gid), nil
}

// owner is whose files are that the server has made: what a server that had been
// started as that user would own. nil: the process's.
func (id *identity) owner() *engines.Owner {
	if id == nil {
		return nil
	}
	return &engines.Owner{UID: id.uid, GID: id.gid}
}

// become gives up all other rights, for good, and for all threads and workers.
func (id *identity) become() error {
	if id == nil {
		return nil
	}
	fail := func(what string, err error) error {
		return fmt.Errorf("become user %d, group %d: %s: %w", id.uid, id.gid, what, err)
	}
	groups := id.groups
	if len(groups) == 0 {
		groups = []int{id.gid}
	}
	if err := syscall.Setgroups(groups); err != nil {
		return fail("setgroups", err)
	}
	if err := syscall.Setgid(id.gid); err != nil {
		return fail("setgid", err)
	}
	if !id.userToo {
		return nil
	}
	if err := syscall.Setuid(id.uid); err != nil {
		return fail("setuid", err)
	}
	if id.uid != 0 && syscall.Setuid(0) == nil {
		return fail("setuid", errors.New("the rights of root are still there"))
	}
	for name, value := range map[string]string{"USER": id.name, "LOGNAME": id.name, "HOME": id.home} {
		if value != "" {
			os.Setenv(name, value) //nolint:errcheck // these are names
		}
	}
	if err := keepProc(); err != nil {
		return fail("prctl", err)
	}
	return nil
}

// socketFlags are how the file of a unix socket is to be.
type socketFlags struct{ mode, owner string }

// options are those for the socket at addr.
func (f socketFlags) options(addr string, id *identity) (o engines.SocketOptions, err error) {
	o.Owner = id.owner()
	if f.mode == "" && f.owner == "" {
		return o, nil
	}
	if !strings.HasPrefix(addr, "unix:") {
		return o, fmt.Errorf("--socket-mode and --socket-owner are for the file of a unix socket, and --listen is %s", addr)
	}
	if f.mode != "" {
		mode, err := strconv.ParseUint(f.mode, 8, 16)
		if err != nil || mode == 0 || mode > 0o777 {
			return o, fmt.Errorf("--socket-mode %s: expected an octal number up to 777, as 660", f.mode)
		}
		o.Mode = os.FileMode(mode)
	}
	if f.owner != "" {
		if o.Owner == nil {
			o.Owner = &engines.Owner{UID: -1, GID: -1}
		}
		if err := readOwner(o.Owner, f.owner); err != nil {
			return o, fmt.Errorf("--socket-owner %s: %w", f.owner, err)
		}
	}
	return o, nil
}

// readOwner sets what text names: USER, USER:GROUP or :GROUP.
func readOwner(o *engines.Owner, text string) error {
	name, group, grouped := strings.Cut(text, ":")
	if name == "" && group == "" || grouped && group == "" {
		return errors.New("the form is USER, USER:GROUP or :GROUP")
	}
	if name != "" {
		var id identity
		if err := id.setUser(name, true); err != nil {
			return err
		}
		o.UID = id.uid
	}
	if group != "" {
		gid, err := groupID(group)
		if err != nil {
			return err
		}
		o.GID = gid
	}
	return nil
}
