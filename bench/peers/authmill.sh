# authmilld as this tree builds it; AUTHMILL_BUILD says where it was built. MORE: lines for the configuration, DNS_MORE: of its dns section.
start() {
	local s; s=$(sock authmill 8897)
	cat > "$RUN/authmill.conf" <<-CONF
	socket = "$s"
	authserv-id = "mx.receiver.example"
	receiver = "mx.receiver.example"
	log { to = stderr }
	dns { nameservers = {"$DNS@53"} ${DNS_MORE:-} }
	${MORE:-}
	CONF
	${WRAP:-} "$AUTHMILL_BUILD/authmilld" -c "$RUN/authmill.conf" > "$RUN/log" 2>&1 & echo $! > "$RUN/pids"
	echo "$s" > "$RUN/sockets"
}
