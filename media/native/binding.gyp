{
  "targets": [
    {
      "target_name": "engine",
      "sources": [
        "src/address.cc",
        "src/srtp-keys.cc",
        "src/srtp.cc",
        "src/probe-table.cc",
        "src/rewrite.cc",
        "src/rtp-reception.cc",
        "src/link.cc",
        "src/socket.cc",
        "src/outbox.cc",
        "src/packet-path.cc",
        "src/events.cc",
        "src/shard.cc",
        "src/engine.cc",
        "src/values.cc",
        "src/binding.cc"
      ],
      "defines": ["NAPI_VERSION=9", "OPENSSL_SUPPRESS_DEPRECATED"],
      "cflags": ["-O3", "-Wall", "-Wextra", "-Wno-unused-parameter", "-fvisibility=hidden", "-fstack-protector-strong"],
      "cflags_cc": ["-std=gnu++20", "-fexceptions"],
      "cflags_cc!": ["-fno-exceptions"],
      "cflags!": ["-O2"],
      "libraries": ["-pthread"]
    }
  ]
}
