// Package upload takes files from browsers and scripts into a directory, and shows a file there only when every
// byte of it has arrived.
//
// Outside: HTTPS.
//
//	POST /upload       multipart/form-data with a part named file. Kasm's page (Dropzone) sends chunks of 10,000,000
//	                   bytes, each with the fields dzuuid dzchunkindex dztotalfilesize dzchunksize dztotalchunkcount
//	                   dzchunkbyteoffset before the file; a form without them is one whole file. A field relativePath
//	                   (a path with the name at its end) keeps the shape of a folder.
//	                   Answer: 200 "uploaded Chunk" for every chunk; errors as short plain text. (Observed of
//	                   Kasm's helper: texts, statuses, text/html.)
//	/files/            tus 1.0 (creation, creation-with-upload, termination) for scripts and bad links; the metadata
//	                   keys filename and relativePath name the file
//	GET /folder/PATH   of a folder: its entries as JSON; of a file: its content, with Range
//	PUT /folder/PATH   without content: makes the folder, and those on the way to it; 204 also when it is there already
//	PATCH /folder/PATH {"path": "NEW"} renames or moves, never over something that exists
//	DELETE /folder/PATH  removes a file, or a folder with all that is in it
//	OPTIONS            preflights, without a credential
//	/style/            204: KasmVNC's page tells a video style here, which means nothing to files
//
// Inside: a directory. Bytes go straight to .NAME.ID.uploading in it, ranges of what has arrived to a journal beside
// it; the file is renamed when the ranges cover it. Nothing is kept in memory or in TMPDIR.
//
// Loss: none, by back-pressure. A torn connection costs the bytes that were on the way. An upload can be continued
// after a restart of ghostaux, and is removed when nothing has come for --upload-part-ttl.
package upload
