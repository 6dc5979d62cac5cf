{
  "targets": [
    {
      "target_name": "turn",
      "include_dirs": ["../../media/native/src"],
      "sources": [
        "../../media/native/src/address.cc",
        "../../media/native/src/values.cc",
        "src/datagrams.cc",
        "src/dtls.cc",
        "src/tcp-socket.cc",
        "src/binding.cc"
      ],
      "defines": ["NAPI_VERSION=9", "OPENSSL_SUPPRESS_DEPRECATED"],
      "cflags": ["-O2", "-Wall", "-Wextra", "-Wno-unused-parameter", "-fvisibility=hidden", "-fstack-protector-strong"],
      "cflags_cc": ["-std=gnu++20"],
      "libraries": ["-pthread"]
    }
  ]
}
