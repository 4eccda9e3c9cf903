// swift-tools-version: 6.0

// Indwell for Swift. `IndwellFFI` and `IndwellNative` are generated (generate.sh, ../README.md) and never committed;
// `Indwell` is what applications import.

import PackageDescription

let package = Package(
    name: "Indwell",
    platforms: [.macOS(.v13), .iOS(.v16)],
    products: [.library(name: "Indwell", targets: ["Indwell"])],
    targets: [
        .systemLibrary(name: "IndwellFFI"),
        // Generated code follows the language mode that its generator was written for.
        .target(name: "IndwellNative", dependencies: ["IndwellFFI"], swiftSettings: [.swiftLanguageMode(.v5)]),
        .target(name: "Indwell", dependencies: ["IndwellNative"]),
        .testTarget(name: "IndwellTests", dependencies: ["Indwell"]),
    ]
)
