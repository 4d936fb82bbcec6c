# make demo   the whole road, live: builds, and runs it on real PPP links
# make test   every test there is
# make bench  every figure that README and docs claim
# make soak   the long runs: kill -9 at every step of a wake, directories without power, a hundred sleeps; an hour or more
# make fuzz   each fuzz target for FUZZ_SECONDS=60
# make install PREFIX=/usr/local   the program, its manual, pppd's hooks, systemd's units
#
# Each installs what it needs from Debian first, says what it does and how long it takes, and asks nothing.

SHELL := /bin/bash
PREFIX ?= /usr/local

.PHONY: demo test bench soak fuzz install packages

demo: packages
	@packaging/timed "build ringup (a few minutes the first time)" cargo build --quiet --release --locked
	@tests/lab/run target/release/ringup demo

test:
	@packaging/install-packages tests
	@packaging/run-tests

bench: packages
	@packaging/run-benches

soak:
	@packaging/run-soak

fuzz: packages
	@packaging/run-fuzz

install:
	cargo build --release --locked
	install -D -m 0755 target/release/ringup $(DESTDIR)$(PREFIX)/bin/ringup
	target/release/ringup man $(DESTDIR)$(PREFIX)/share/man/man1
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions
	target/release/ringup completions bash >$(DESTDIR)$(PREFIX)/share/bash-completion/completions/ringup
	install -D -m 0755 ppp-scripts/ip-up $(DESTDIR)/etc/ppp/ip-up.d/ringup
	install -D -m 0755 ppp-scripts/ip-down $(DESTDIR)/etc/ppp/ip-down.d/ringup
	for unit in packaging/systemd/*.service; do \
	  install -D -m 0644 $$unit $(DESTDIR)/lib/systemd/system/$${unit##*/} || exit; done

packages:
	@packaging/install-packages
