{
  "targets": [
    {
      "target_name": "relay",
      "include_dirs": ["../../../media/native/src"],
      "sources": [
        "../../../media/native/src/address.cc",
        "../../../media/native/src/socket.cc",
        "../../../media/native/src/outbox.cc",
        "../../../media/native/src/shard.cc",
        "../../../media/native/src/values.cc",
        "src/stun.cc",
        "src/peers.cc",
        "src/allocation.cc",
        "src/turn-path.cc",
        "src/relay.cc",
        "src/binding.cc"
      ],
      "defines": ["NAPI_VERSION=9"],
      "cflags": ["-O3", "-Wall", "-Wextra", "-Wno-unused-parameter", "-fvisibility=hidden", "-fstack-protector-strong"],
      "cflags_cc": ["-std=gnu++20", "-fexceptions"],
      "cflags_cc!": ["-fno-exceptions"],
      "cflags!": ["-O2"],
      "libraries": ["-pthread"]
    }
  ]
}
