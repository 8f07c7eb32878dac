// Holds one parcel of data for the canvases of this page, under the digest of its content. It draws nothing.
//
// A parcel is an element of its own so that its message is the same, byte for byte, at every rerun: Streamlit's browser
// side then says "I have it", and the server sends a reference of some hundred bytes in its place.

export default function ({ data, parentElement }) {
  const held = (globalThis.ikdHeld ??= new Map());
  const drop = (digest) => {
    const one = held.get(digest);
    if (one && --one.holders === 0) held.delete(digest);
  };
  const call = (parentElement.ikdCall = (parentElement.ikdCall ?? 0) + 1);
  if (parentElement.ikdDigest !== data.digest) {
    const one = held.get(data.digest) ?? { parcel: data, holders: 0 };
    one.holders += 1;
    held.set(data.digest, one);
    if (parentElement.ikdDigest) drop(parentElement.ikdDigest);
    parentElement.ikdDigest = data.digest;
    globalThis.dispatchEvent(new CustomEvent("ikd-held"));
  }
  return () => {
    // Streamlit also runs the end of a call that a newer one has overtaken.
    if (parentElement.ikdCall !== call || !parentElement.ikdDigest) return;
    drop(parentElement.ikdDigest);
    parentElement.ikdDigest = null;
  };
}
